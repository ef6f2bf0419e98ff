"""Every setting, declared once: flag, unit, default, help and how its text is read.

The environment variable of a setting is ``LEADER_SIDECAR_`` and the flag's name in capitals, ``_`` for ``-``.
"""

from dataclasses import dataclass
from pathlib import Path

from sidecar.settings import declare
from sidecar.settings.declare import Declaration, UserLabel, declared, setting

LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``leader-sidecar run`` was told, complete and consistent. Made by ``sidecar.settings.build``.

    ``pod_name``, ``namespace`` and ``pod_uid`` are the downward API's. ``lock_name`` still has its placeholders: the
    lock of an election is ``lock(election)``.
    """

    elections: tuple[str, ...] = setting(
        "election",
        "Name of the election. Its label on the pod is PREFIX/NAME.",
        declare.election,
        None,
        metavar="NAME",
        repeatable=True,
    )
    cluster_name: str | None = setting(
        "cluster-name",
        "Part of the default lock name, for several clusters that share an etcd.",
        declare.cluster_name,
        "none",
        metavar="NAME",
        default=None,
    )
    lock_name: str = setting(
        "lock-name",
        "Where in etcd the candidates queue; {namespace} and {election} are filled in. Give the prefix of a Go "
        "program's lock to compete with it.",
        declare.lock_name,
        "/leader-sidecar/CLUSTER/{namespace}/{election}, CLUSTER only where set",
        metavar="NAME",
    )
    identity: str = setting(
        "identity",
        "How this candidate is called.",
        declare.text,
        "POD_NAME, else the host name",
        metavar="NAME",
    )
    ttl_seconds: int = setting(
        "ttl",
        "Time to live of the lease: how long a leader that died keeps its place. At least 2.",
        declare.whole_seconds,
        "10",
        metavar="SECONDS",
        unit="seconds",
        default=10,
    )
    max_promise_seconds: float = setting(
        "max-promise",
        "Longest validity handed out in one answer; a step-down may have to wait that long.",
        declare.seconds,
        "2, less where the TTL is shorter",
        metavar="SECONDS",
        unit="seconds",
    )
    etcd_endpoints: tuple[str, ...] = setting(
        "etcd-endpoints",
        "URLs of etcd's members, http:// or https://; a name may have several addresses.",
        declare.endpoints,
        None,
        metavar="URL,...",
        shown=declare.without_credentials,
    )
    etcd_cacert: Path | None = setting(
        "etcd-cacert",
        "Certificate authority of etcd, PEM; read again when it changes.",
        declare.file,
        "the system's",
        metavar="FILE",
        default=None,
    )
    etcd_cert: Path | None = setting(
        "etcd-cert",
        "Client certificate for etcd, PEM; read again when it changes.",
        declare.file,
        "none",
        metavar="FILE",
        default=None,
    )
    etcd_key: Path | None = setting(
        "etcd-key",
        "Key of the client certificate, PEM; read again when it changes.",
        declare.file,
        "none",
        metavar="FILE",
        default=None,
    )
    etcd_user: str | None = setting(
        "etcd-user",
        "User to authenticate with at etcd.",
        declare.text,
        "none",
        metavar="NAME",
        default=None,
    )
    etcd_password_file: Path | None = setting(
        "etcd-password-file",
        "File with that user's password; a newline at its end does not count.",
        declare.file,
        "none",
        metavar="FILE",
        default=None,
    )
    etcd_password: str | None = setting(
        "etcd-password",
        "That user's password, for who has it in the environment.",
        str,
        "none",
        default=None,
        secret=True,
    )
    listen: str = setting(
        "listen",
        "Where the workload asks; `localhost` means both loopback addresses.",
        declare.address,
        "localhost:4040",
        metavar="HOST:PORT",
        default="localhost:4040",
    )
    probe_listen: str = setting(
        "probe-listen",
        "Where kubelet and Prometheus ask; without a host on every address.",
        declare.address,
        ":4041",
        metavar="HOST:PORT",
        default=":4041",
    )
    labels: bool = setting(
        "labels",
        "Keep the pod's label true.",
        declare.switch,
        "on in a cluster",
        switch=True,
    )
    label: UserLabel | None = setting(
        "label",
        "An additional label of your own, written together with PREFIX/NAME.",
        declare.user_label,
        "none",
        metavar="KEY=LEADER/FOLLOWER",
        default=None,
    )
    route: str | None = setting(
        "route",
        "A Service without a selector, whose EndpointSlices name the leader's pod: one write moves them.",
        declare.service,
        "none",
        metavar="SERVICE",
        default=None,
    )
    route_grace_seconds: float = setting(
        "route-grace",
        "How long a leader that gave the lead up on purpose leaves its place in them to the successor's write.",
        declare.seconds,
        "1",
        metavar="SECONDS",
        unit="seconds",
        default=1.0,
    )
    kubeconfig: Path | None = setting(
        "kubeconfig",
        "How to reach Kubernetes from outside the cluster.",
        declare.file,
        "the pod's service account",
        metavar="FILE",
        default=None,
    )
    label_settle_seconds: float = setting(
        "label-settle",
        "Pause between taking the label off the last leader and putting it on this pod, for Kubernetes' own caches.",
        declare.seconds,
        "0.1",
        metavar="SECONDS",
        unit="seconds",
        default=0.1,
    )
    native: bool = setting(
        "native",
        "Runs as a native sidecar (an init container with restartPolicy Always), so the workload ends first.",
        declare.switch,
        "off",
        switch=True,
        default=False,
    )
    follow_rollout: bool = setting(
        "follow-rollout",
        "Hand the lead over to a pod of the revision that a rollout brings, once; a terminating pod does not keep it.",
        declare.switch,
        "off",
        switch=True,
        default=False,
    )
    hold_off_seconds: float = setting(
        "hold-off",
        "How long the next leader waits after a lead that was not given up; --ttl where etcd is too old.",
        declare.seconds,
        "0",
        metavar="SECONDS",
        unit="seconds",
        default=0.0,
    )
    label_prefix: str = setting(
        "label-prefix",
        "What stands before the slash in the label's key.",
        declare.label_prefix,
        "leader-sidecar",
        metavar="PREFIX",
        default="leader-sidecar",
    )
    on_elected: str | None = setting(
        "on-elected",
        "Where to POST that this pod leads now: a program in this pod.",
        declare.hook,
        "none",
        metavar="URL",
        default=None,
        shown=declare.without_credentials,
    )
    on_lost: str | None = setting(
        "on-lost",
        "Where to POST that it leads no more; the answer says that the workload has finished.",
        declare.hook,
        "none",
        metavar="URL",
        default=None,
        shown=declare.without_credentials,
    )
    leader_file: Path | None = setting(
        "leader-file",
        "File to keep the body of /leader in, on a volume that the workload reads.",
        declare.file,
        "none",
        metavar="FILE",
        default=None,
    )
    drain_timeout_seconds: float = setting(
        "drain-timeout",
        "Longest wait for the workload when the lead is given up on purpose.",
        declare.seconds,
        "10",
        metavar="SECONDS",
        unit="seconds",
        default=10.0,
    )
    health_check: str | None = setting(
        "health-check",
        "Stand in line only while the workload answers here: http://localhost:PORT/PATH, or tcp://localhost:PORT.",
        declare.health_check,
        "none",
        metavar="URL",
        default=None,
    )
    health_period_seconds: float = setting(
        "health-period",
        "How often the workload is asked.",
        declare.seconds,
        "2",
        metavar="SECONDS",
        unit="seconds",
        default=2.0,
    )
    health_timeout_seconds: float = setting(
        "health-timeout",
        "How long its answer may take.",
        declare.seconds,
        "1",
        metavar="SECONDS",
        unit="seconds",
        default=1.0,
    )
    health_failure_threshold: int = setting(
        "health-failure-threshold",
        "So many failures in a row make the workload unhealthy.",
        declare.count,
        "3",
        metavar="COUNT",
        default=3,
    )
    health_success_threshold: int = setting(
        "health-success-threshold",
        "So many successes in a row make it healthy.",
        declare.count,
        "1",
        metavar="COUNT",
        default=1,
    )
    health_cool_down_seconds: float = setting(
        "health-cool-down",
        "How long a workload that was unhealthy must be healthy before its pod stands in line again.",
        declare.seconds,
        "10",
        metavar="SECONDS",
        unit="seconds",
        default=10.0,
    )
    health_ignore_after_seconds: float | None = setting(
        "health-ignore-after",
        "When nobody has stood in line for that long, an unhealthy pod does.",
        declare.seconds,
        "never",
        metavar="SECONDS",
        unit="seconds",
        default=None,
    )
    state_dir: Path | None = setting(
        "state-dir",
        "A folder on a volume of the pod, in which this sidecar leaves its place in the queue for its next run.",
        declare.file,
        "none",
        metavar="DIR",
        default=None,
    )
    log_format: str = setting(
        "log-format",
        "Form of the log on standard error.",
        declare.choice(*LOG_FORMATS),
        "console on a terminal, else json",
        choices=LOG_FORMATS,
    )
    log_level: str = setting(
        "log-level",
        "Least severe level that is logged.",
        declare.choice(*LOG_LEVELS),
        "info",
        choices=LOG_LEVELS,
        default="info",
    )

    pod_name: str | None = None
    namespace: str = "default"
    pod_uid: str | None = None

    @property
    def election(self) -> str:
        """The first election: the one ``/leader`` answers for."""
        return self.elections[0]

    def lock(self, election: str) -> str:
        """Name of an election's lock in etcd, to the letter as given: it is never normalised."""
        return self.lock_name.replace("{namespace}", self.namespace).replace("{election}", election)

    def label_key(self, election: str) -> str:
        """Key of the label that is always written."""
        return f"{self.label_prefix}/{election}"

    def describe(self) -> dict[str, object]:
        """All settings by flag name, as the start-up log shows them: secrets only as set or not."""
        shown: dict[str, object] = {}
        for name, declaration in DECLARATIONS.items():
            shown[declaration.name] = _shown(getattr(self, name), secret=declaration.secret)
        return shown | {"namespace": self.namespace, "pod": self.pod_name}


DECLARATIONS: dict[str, Declaration] = declared(Settings)


def _shown(value: object, *, secret: bool) -> object:
    if secret:
        return "set" if value else None
    if isinstance(value, UserLabel):
        return f"{value.key}={value.leader}/{value.follower}"
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
