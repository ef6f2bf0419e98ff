"""What ``leader-sidecar check`` finds: every id is a heading of docs/check.md, which says more."""

from dataclasses import dataclass
from enum import StrEnum

PAGE = "docs/check.md"


class Severity(StrEnum):
    """``error``: something that was promised does not hold, or will not work. Only errors make ``check`` fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Id(StrEnum):
    SETTING = "setting"
    UNKNOWN_FLAG = "unknown-flag"
    TTL_SHORT = "ttl-short"
    TTL_LONG = "ttl-long"
    TTL_RAISED = "ttl-raised"
    PASSWORD_IN_CLEAR = "password-in-clear"  # noqa: S105 (no secret)
    CLUSTER_NAME = "cluster-name"
    CPU_LIMIT = "cpu-limit"
    CLOCK_SOURCE = "clock-source"
    PORT_IN_USE = "port-in-use"
    ETCD_UNREACHABLE = "etcd-unreachable"
    ETCD_MEMBER_AWAY = "etcd-member-away"
    ETCD_OUTDATED = "etcd-outdated"
    ETCD_VERSION_UNKNOWN = "etcd-version-unknown"
    ETCD_CLUSTERS = "etcd-clusters"
    ETCD_SLOW = "etcd-slow"
    ETCD_USER = "etcd-user"
    ETCD_RIGHTS = "etcd-rights"
    ETCD_FULL = "etcd-full"
    STRANGERS = "strangers"
    KUBE_UNREACHABLE = "kube-unreachable"
    RIGHTS_MISSING = "rights-missing"
    RIGHTS_WIDE = "rights-wide"
    MARK_MISSING = "mark-missing"
    POLICY_MISSING = "policy-missing"
    POLICY_REFUSES = "policy-refuses"
    POLICY_BROKEN = "policy-broken"
    TOKEN_UNBOUND = "token-unbound"  # noqa: S105 (no secret)
    TOKEN_OF_ANOTHER = "token-of-another"  # noqa: S105 (no secret)
    TOKEN_UNKNOWN = "token-unknown"  # noqa: S105 (no secret)
    TOKEN_NOT_MOUNTED = "token-not-mounted"  # noqa: S105 (no secret)
    OWNER_SELECTOR = "owner-selector"
    BORN_LEADER = "born-leader"
    SERVICE_SELECTOR = "service-selector"
    ROUTE_SERVICE = "route-service"
    ROUTE_SELECTOR = "route-selector"
    ROUTE_PORTS = "route-ports"
    ROUTE_STRANGER = "route-stranger"
    READINESS_STALLS = "readiness-stalls"
    READINESS_NEVER_COMPLETE = "readiness-never-complete"
    PDB_BLOCKS = "pdb-blocks"
    SIDECAR_READINESS = "sidecar-readiness"
    PROBE_PORT = "probe-port"
    PORT_CLASH = "port-clash"
    HOST_NETWORK = "host-network"
    DOWNWARD_API = "downward-api"
    NATIVE = "native"
    JOB_NEVER_ENDS = "job-never-ends"
    GRACE_SHORT = "grace-short"
    SHARED_ELECTION = "shared-election"
    NO_SIDECAR = "no-sidecar"


@dataclass(frozen=True, slots=True)
class Finding:
    """``where`` is what it was found at, ``what`` is wrong there, and ``mend`` says what to do, in the imperative."""

    id: Id
    severity: Severity
    where: str
    what: str
    mend: str

    @property
    def link(self) -> str:
        return f"{PAGE}#{self.id}"


def error(found: Id, where: str, what: str, mend: str) -> Finding:
    return Finding(found, Severity.ERROR, where, what, mend)


def warning(found: Id, where: str, what: str, mend: str) -> Finding:
    return Finding(found, Severity.WARNING, where, what, mend)


def note(found: Id, where: str, what: str, mend: str) -> Finding:
    return Finding(found, Severity.NOTE, where, what, mend)
