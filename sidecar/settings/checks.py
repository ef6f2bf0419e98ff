"""What is wrong, or doubtful, with settings that are each well formed."""

from collections.abc import Iterator
from pathlib import Path

from sidecar.errors import ExitCode, SettingError
from sidecar.settings.health import LOOPBACKS, is_own_address, parse_target
from sidecar.settings.table import Settings

MARGIN_RATIO = 0.1
"""Equals ``sidecar.election.margin.MARGIN_RATIO``, which stands in a higher layer (a test compares them)."""

_LEAST_TTL_SECONDS = 2
_SANE_TTL_SECONDS = 6
_MOST_TTL_SECONDS = 9_000_000_000
_SANE_QUOTA_CORES = 0.2
_NATIVE_GRACE_SECONDS = 1.0


def problems(settings: Settings) -> Iterator[SettingError]:
    """Everything that makes these settings unusable. Opens the files they name."""
    yield from _elections(settings)
    yield from _timings(settings)
    yield from _etcd(settings)
    yield from _labels(settings)
    yield from _route(settings)
    yield from _rollout(settings)
    yield from _listeners(settings)
    yield from _health(settings)
    yield from _state(settings)


def cautions(settings: Settings, quota_cores: float | None) -> list[str]:
    """What works but is unwise, one sentence each, for the log at start. ``quota_cores`` as ``cpu_quota_cores``."""
    said = []
    if settings.ttl_seconds < _SANE_TTL_SECONDS:
        said.append(
            f"--ttl {settings.ttl_seconds}: an etcd election takes 1 to 3 s, and below {_SANE_TTL_SECONDS} s one may "
            "cost the lead"
        )
    if quota_cores is not None and quota_cores < _SANE_QUOTA_CORES:
        said.append(
            f"CPU quota of {round(quota_cores * 1000)}m: throttling may delay renewals, give "
            f"{round(_SANE_QUOTA_CORES * 1000)}m or more, or no limit"
        )
    if settings.etcd_user and any(url.startswith("http://") for url in settings.etcd_endpoints):
        said.append("--etcd-user with http:// endpoints: the password crosses the network in the clear, use https://")
    if settings.cluster_name and f"/{settings.cluster_name}/" not in settings.lock_name:
        said.append(f"--cluster-name {settings.cluster_name}: has no effect, since --lock-name is given without it")
    return said


def _elections(settings: Settings) -> Iterator[SettingError]:
    if len(settings.elections) > 1:
        named = ",".join(settings.elections)
        mend = "give it once: a sidecar of this version stands in one election"
        yield SettingError("--election", named, mend, exit_code=ExitCode.USAGE)


def _timings(settings: Settings) -> Iterator[SettingError]:
    ttl, promise, drain = settings.ttl_seconds, settings.max_promise_seconds, settings.drain_timeout_seconds
    if ttl < _LEAST_TTL_SECONDS:
        yield SettingError("--ttl", ttl, f"use at least {_LEAST_TTL_SECONDS} s: etcd grants no shorter lease")
        return
    if ttl > _MOST_TTL_SECONDS:
        yield SettingError("--ttl", ttl, f"use at most {_MOST_TTL_SECONDS} s: etcd grants no longer lease")
        return
    if promise <= 0:
        yield SettingError("--max-promise", promise, "use more than 0 s: nobody could be told that this pod leads")
    longest = ttl * (1 - MARGIN_RATIO)
    if promise > longest:
        mend = f"use at most {longest:g} s, the TTL less its safety margin: no renewal holds longer than that"
        yield SettingError("--max-promise", promise, mend)
    if drain < promise:
        mend = f"use at least --max-promise ({promise:g} s): a promise handed out must have passed before the lock goes"
        yield SettingError("--drain-timeout", drain, mend)


def _etcd(settings: Settings) -> Iterator[SettingError]:
    tls = {"--etcd-cacert": settings.etcd_cacert, "--etcd-cert": settings.etcd_cert, "--etcd-key": settings.etcd_key}
    for flag, path in tls.items():
        yield from _unreadable(flag, path)
    if settings.etcd_cert and not settings.etcd_key:
        yield SettingError("--etcd-key", None, "give the key of --etcd-cert")
    if settings.etcd_key and not settings.etcd_cert:
        yield SettingError("--etcd-cert", None, "give the certificate of --etcd-key")
    plain = [url for url in settings.etcd_endpoints if url.startswith("http://")]
    if plain and any(tls.values()):
        given = " and ".join(flag for flag, path in tls.items() if path)
        yield SettingError("--etcd-endpoints", ",".join(plain), f"use https://, or leave out {given}")
    yield from _etcd_password(settings)


def _etcd_password(settings: Settings) -> Iterator[SettingError]:
    yield from _unreadable("--etcd-password-file", settings.etcd_password_file)
    if settings.etcd_password and settings.etcd_password_file:
        mend = "leave it out, or unset LEADER_SIDECAR_ETCD_PASSWORD: one password is enough"
        yield SettingError("--etcd-password-file", str(settings.etcd_password_file), mend)
    has_password = settings.etcd_password or settings.etcd_password_file
    if has_password and not settings.etcd_user:
        yield SettingError("--etcd-user", None, "name the user whose password is given")
    if settings.etcd_user and not has_password:
        mend = "give --etcd-password-file or set LEADER_SIDECAR_ETCD_PASSWORD"
        yield SettingError("--etcd-user", settings.etcd_user, mend)


def _labels(settings: Settings) -> Iterator[SettingError]:
    label = settings.label
    if label and label.key.startswith(settings.label_prefix + "/"):
        mend = f"choose a key that does not begin with {settings.label_prefix}/: those are the elections' own"
        yield SettingError("--label", label.key, mend)
    if not settings.labels and not settings.route:
        return
    yield from _unreadable("--kubeconfig", settings.kubeconfig)
    without = "give --no-labels" if not settings.route else "leave out --route and give --no-labels"
    for variable, value in (("POD_NAME", settings.pod_name), ("POD_UID", settings.pod_uid)):
        if not value:
            mend = f"set it by the downward API, so that the right pod is labelled, or {without}"
            yield SettingError(variable, None, mend)


def _route(settings: Settings) -> Iterator[SettingError]:
    if settings.native and settings.route and settings.route_grace_seconds > _NATIVE_GRACE_SECONDS:
        mend = (
            f"use at most {_NATIVE_GRACE_SECONDS:g} s with --native: kubelet leaves such a sidecar two seconds to end"
        )
        yield SettingError("--route-grace", settings.route_grace_seconds, mend)


def _rollout(settings: Settings) -> Iterator[SettingError]:
    if not settings.follow_rollout or settings.labels:  # with labels the same is asked for
        return
    yield from _unreadable("--kubeconfig", settings.kubeconfig)
    for variable, value in (("POD_NAME", settings.pod_name), ("POD_UID", settings.pod_uid)):
        if not value:
            yield SettingError(variable, None, "set it by the downward API, or leave out --follow-rollout")


def _health(settings: Settings) -> Iterator[SettingError]:
    period, timeout = settings.health_period_seconds, settings.health_timeout_seconds
    ignore_after = settings.health_ignore_after_seconds
    if settings.health_check is None:
        if ignore_after is not None:
            yield SettingError("--health-ignore-after", ignore_after, "give --health-check, too, or leave it out")
        return
    for host in parse_target(settings.health_check).hosts:
        if host not in LOOPBACKS and not is_own_address(host):
            mend = "name localhost or an address of this pod: the workload is in it"
            yield SettingError("--health-check", settings.health_check, mend)
    for flag, seconds in (("--health-period", period), ("--health-timeout", timeout)):
        if seconds <= 0:
            yield SettingError(flag, seconds, "use more than 0 s")


def _listeners(settings: Settings) -> Iterator[SettingError]:
    host, _, port = settings.listen.rpartition(":")
    probe_host, _, probe_port = settings.probe_listen.rpartition(":")
    same_host = host == probe_host or not host or not probe_host
    if port == probe_port and int(port) and same_host:
        yield SettingError(
            "--probe-listen", settings.probe_listen, f"use another port than --listen ({settings.listen})"
        )


def _state(settings: Settings) -> Iterator[SettingError]:
    path = settings.state_dir
    if path is not None and not path.is_dir():
        mend = "no such folder: mount a volume there that this user may write to, as an emptyDir"
        yield SettingError("--state-dir", str(path), mend, exit_code=ExitCode.NO_INPUT)


def _unreadable(flag: str, path: Path | None) -> Iterator[SettingError]:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        mend = f"{reason}: name a file that this process may read"
        yield SettingError(flag, str(path), mend, exit_code=ExitCode.NO_INPUT)
