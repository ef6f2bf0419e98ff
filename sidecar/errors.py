"""One exception tree. Every error of etcd, Kubernetes and the operating system is translated at its edge, chained."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes, after BSD's sysexits(3)."""

    OK = 0
    USAGE = 64
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    OS_ERROR = 71
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78


class SidecarError(Exception):
    """Root of all errors this project raises on purpose."""


class SettingError(SidecarError):
    """A setting cannot be used. Says which one, its value, and what mends it; never carries a secret."""

    def __init__(self, setting: str, value: object, mend: str, *, exit_code: ExitCode = ExitCode.CONFIG) -> None:
        shown = "not set" if value is None else repr(value)
        super().__init__(f"{setting}: {shown}: {mend}")
        self.setting, self.value, self.mend, self.exit_code = setting, value, mend, exit_code


class NotLeading(SidecarError):
    """Asked of a leader (resign, transfer, write), but this pod does not lead."""


class TooManyHolds(SidecarError):
    """So many connections hold the lead that no other may: says how many."""


class UnknownCandidate(SidecarError):
    """No candidate of that name stands in the queue."""


class CannotTransfer(SidecarError):
    """The lead cannot be handed over to that candidate: says why."""


class ValueChanged(SidecarError):
    """A value of ``/state`` is not the one that its writer has read, or is there where it was to be created."""


# etcd -----------------------------------------------------------------------------------------------------------------


class EtcdError(SidecarError):
    """Something went wrong between this process and etcd. ``kind`` is the label of ``failures_total``."""

    kind = "etcd"


class EtcdUnavailable(EtcdError):
    """No answer in time, no quorum, or no endpoint reached. Whether the request took effect is unknown."""

    kind = "unavailable"


class LeaseNotFound(EtcdError):
    """The lease has expired or was revoked; whatever was attached to it is gone."""

    kind = "lease_not_found"


class AuthenticationFailed(EtcdError):
    """etcd refuses the user or the password, or wants one and none was given."""

    kind = "authentication"


class PermissionDenied(EtcdError):
    """The etcd user may not read or write the lock's prefix."""

    kind = "permission"


class NoSpace(EtcdError):
    """etcd's NOSPACE alarm is on: it refuses claims and grants, but goes on with keepalives and deletes."""

    kind = "no_space"


class WatchLost(EtcdError):
    """A watch ended (dropped, cancelled, compacted, never created): read again, then watch from there."""

    kind = "watch_lost"


class HistoryWentBack(EtcdError):
    """etcd's history is not the one seen before: a lower revision, or another cluster id."""

    kind = "history"


# Kubernetes -----------------------------------------------------------------------------------------------------------


class KubeError(SidecarError):
    """Something went wrong between this process and the Kubernetes API. ``kind`` labels ``failures_total``."""

    kind = "kube"


class KubeUnavailable(KubeError):
    """No answer, or a 5xx or 429. Whether a write took effect is unknown."""

    kind = "kube_unavailable"


class KubeConflict(KubeError):
    """409: the resourceVersion is stale. Read again and compare the uid."""

    kind = "kube_conflict"


class KubeForbidden(KubeError):
    """403, or a 422 that is not about the uid: rights, policy or configuration. Say it, back off, never exit."""

    kind = "kube_forbidden"


class KubeUnauthorized(KubeError):
    """401 that persists after the token file was read again: the token's pod is gone, or the token is wrong."""

    kind = "kube_unauthorized"


class PodGone(KubeError):
    """404, or another uid: the pod this sidecar acts for no longer exists."""

    kind = "pod_gone"


class ServiceMissing(KubeError):
    """The Service that ``--route`` names does not exist."""

    kind = "service_missing"
