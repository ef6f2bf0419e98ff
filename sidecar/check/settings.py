"""Findings about settings, whatever they were read from, and about what the machine gives: CPU and clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.check.finding import Finding, Id, error, note, warning
from sidecar.errors import SettingError

SHORT_TTL_SECONDS = 6
"""An etcd election takes 1 to 3 s; what an outage may last is TTL - margin - TTL/3."""
LONG_TTL_SECONDS = 60
LEAST_CORES = 0.2

_GOOD_CLOCKS = frozenset(
    {"tsc", "kvm-clock", "arch_sys_counter", "xen", "timebase", "tod", "riscv_clocksource"}
    | {"hyperv_clocksource_tsc_page", "hyperv_clocksource_msr", "tsc-early", "ptp_kvm", "stp"}
)


@dataclass(frozen=True, slots=True)
class EtcdChoice:
    """``user``: a password goes along. ``default_lock``: no --lock-name was given."""

    endpoints: tuple[str, ...]
    user: bool
    cluster_name: str | None
    default_lock: bool


def refused(where: str, errors: Iterable[SettingError]) -> Iterator[Finding]:
    """What the program would refuse at its start."""
    for each in errors:
        shown = "not set" if each.value is None else repr(each.value)
        yield error(Id.SETTING, where, f"{each.setting}: {shown}", each.mend)


def ttl(where: str, seconds: int) -> Iterator[Finding]:
    if seconds < SHORT_TTL_SECONDS:
        what = f"--ttl {seconds}: an etcd election takes 1 to 3 s, and one may cost the lead"
        yield warning(Id.TTL_SHORT, where, what, f"give {SHORT_TTL_SECONDS} s or more; 10 is a good start")
    if seconds > LONG_TTL_SECONDS:
        what = f"--ttl {seconds}: a leader that dies keeps its place for so many seconds"
        yield warning(Id.TTL_LONG, where, what, f"give {LONG_TTL_SECONDS} s or less; 10 is a good start")


def cores(where: str, limit: float | None) -> Iterator[Finding]:
    """``limit``: CPU limit in cores, None for none."""
    if limit is not None and limit < LEAST_CORES:
        what = f"a CPU limit of {round(limit * 1000)}m: throttled, the sidecar renews late and may lose the lead"
        yield warning(Id.CPU_LIMIT, where, what, f"give {round(LEAST_CORES * 1000)}m or more, or no limit")


def clock(where: str, source: str | None, *, counts_suspend: bool) -> Iterator[Finding]:
    """``source``: the kernel's clock source, None where it cannot be seen."""
    if not counts_suspend:
        what = "there is no clock that counts suspend: a leader may answer 200 after the machine slept"
        yield warning(Id.CLOCK_SOURCE, where, what, "run on Linux, which has CLOCK_BOOTTIME")
    if source is not None and source not in _GOOD_CLOCKS:
        what = f"the clock source is {source}: the kernel did not trust the processor's, and this one may drift more"
        mend = "find out why (dmesg, 'clocksource'), or take a longer --ttl: its tenth is what clocks may drift apart"
        yield warning(Id.CLOCK_SOURCE, where, what, mend)


def etcd_choice(where: str, choice: EtcdChoice) -> Iterator[Finding]:
    plain = [url for url in choice.endpoints if url.startswith("http://")]
    if choice.user and plain:
        what = f"--etcd-user with {plain[0]}: the password crosses the network in the clear"
        yield warning(Id.PASSWORD_IN_CLEAR, where, what, "use https:// endpoints")
    if choice.cluster_name and not choice.default_lock:
        what = f"--cluster-name {choice.cluster_name} may have no effect: --lock-name is given"
        yield note(Id.CLUSTER_NAME, where, what, "put the cluster's name into --lock-name, or leave --cluster-name out")
    outside = [url for url in choice.endpoints if _outside_the_cluster(url)]
    if outside and choice.default_lock and not choice.cluster_name:
        what = f"{outside[0]} is no Service of this cluster, and the lock name does not name the cluster"
        mend = "where several clusters use this etcd, give each its --cluster-name: else their elections are one"
        yield note(Id.CLUSTER_NAME, where, what, mend)


def _outside_the_cluster(url: str) -> bool:
    """Whether other clusters may well use it, too: a Service is NAME, NAME.NAMESPACE, or has ``svc`` after those."""
    host = urlsplit(url).hostname or ""
    parts = host.split(".")
    return (len(parts) > 2 or ":" in host) and "svc" not in parts and not host.startswith("127.") and host != "::1"
