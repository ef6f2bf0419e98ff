"""Findings about the sidecar in its pod: identity, rights, ports, probes, limits, and how it ends."""

from collections.abc import Iterator

from sidecar.check import settings as rules
from sidecar.check.finding import Finding, Id, error, warning
from sidecar.check.manifests.quantity import cores
from sidecar.check.manifests.shape import Object, inside, mapping, objects
from sidecar.check.manifests.workload import Workload

_GRACE_SECONDS = 30
"""Kubernetes' default of terminationGracePeriodSeconds."""
_LAST_CALLS_SECONDS = 2
_FIELDS = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}


def findings(workload: Workload) -> Iterator[Finding]:
    """Of a manifest."""
    yield from told(workload)
    if workload.container is not None:
        yield from downward_api(workload)
        yield from in_pod(workload, workload.container)


def in_pod(workload: Workload, container: Object) -> Iterator[Finding]:
    """What the pod's own spec shows, also of a pod that runs."""
    yield from token(workload)
    yield from native(workload)
    yield from grace(workload)
    yield from host_network(workload)
    yield from probes(workload, container)
    yield from rules.cores(workload.where, cores(inside(container, "resources", "limits").get("cpu")))


def told(workload: Workload) -> Iterator[Finding]:
    """What the settings alone show."""
    where, found = workload.where, workload.told
    for flag in found.strange:
        yield error(Id.UNKNOWN_FLAG, where, f"no setting is called {flag!r}", "see leader-sidecar run --help")
    yield from rules.refused(where, found.errors())
    ttl = found.value("ttl_seconds")
    if ttl is not None and ttl >= 2:  # less is refused
        yield from rules.ttl(where, ttl)
    choice = rules.EtcdChoice(
        endpoints=tuple(found.value("etcd_endpoints") or ()),
        user=found.given("etcd_user"),
        cluster_name=found.value("cluster_name"),
        default_lock=not found.given("lock_name") and not found.open,
    )
    yield from rules.etcd_choice(where, choice)


def downward_api(workload: Workload) -> Iterator[Finding]:
    found = workload.told
    if found.open or not _labels(workload):
        return
    for variable, path in _FIELDS.items():
        if found.fields.get(variable) == path or variable in found.hidden:
            continue
        mend = f"give it by the downward API: valueFrom: {{fieldRef: {{fieldPath: {path}}}}}"
        if variable in found.fields:
            yield error(Id.DOWNWARD_API, workload.where, f"{variable} is {found.fields[variable]}", mend)
        elif variable in found.environ and variable != "POD_NAMESPACE" and workload.kind != "Pod":
            what = f"{variable} is {found.environ[variable]!r} for every pod alike"
            yield error(Id.DOWNWARD_API, workload.where, what, mend)
        elif variable not in found.environ:
            # without it the service account's own file tells the namespace
            severity = warning if variable == "POD_NAMESPACE" else error
            yield severity(Id.DOWNWARD_API, workload.where, f"{variable} is not set: whose label is it?", mend)


def token(workload: Workload) -> Iterator[Finding]:
    if not _labels(workload) or workload.told.given("kubeconfig") or workload.container is None:
        return
    if workload.spec.get("automountServiceAccountToken") is not False or _mounts_token(workload, workload.container):
        return
    what = "automountServiceAccountToken is false, and the sidecar mounts no token of its own"
    mend = (
        "mount a projected serviceAccountToken volume at /var/run/secrets/kubernetes.io/serviceaccount, or --no-labels"
    )
    yield error(Id.TOKEN_NOT_MOUNTED, workload.where, what, mend)


def native(workload: Workload) -> Iterator[Finding]:
    where, says = workload.where, workload.told.value("native")
    if workload.first and not workload.native:
        what = "the sidecar is an init container that is not restartable: the pod never starts"
        yield error(Id.NATIVE, where, what, "give it restartPolicy: Always (Kubernetes 1.29), or make it a container")
        return
    if says and not workload.native:
        what = "--native, but kubelet stops this container together with the workload: the lock would go too early"
        yield error(Id.NATIVE, where, what, "make it an init container with restartPolicy: Always, or give --no-native")
    if says is False and workload.native:
        what = "a native sidecar without --native: it takes the label off first, which costs a Service about a second"
        yield warning(Id.NATIVE, where, what, "give --native")
    if workload.kind in {"Job", "CronJob"} and not workload.native:
        what = "the sidecar never ends, so the job does not either"
        yield error(Id.JOB_NEVER_ENDS, where, what, "make it an init container with restartPolicy: Always and --native")


def grace(workload: Workload) -> Iterator[Finding]:
    seconds, drain = workload.spec.get("terminationGracePeriodSeconds", _GRACE_SECONDS), None
    if not workload.native:
        drain = workload.told.value("drain_timeout_seconds")
    if drain is None or not isinstance(seconds, int) or seconds >= drain + _LAST_CALLS_SECONDS:
        return
    what = f"--drain-timeout {drain:g} with terminationGracePeriodSeconds {seconds}: killed before the lock is released"
    mend = f"give terminationGracePeriodSeconds {drain + _LAST_CALLS_SECONDS:g} or more"
    yield warning(Id.GRACE_SHORT, workload.where, what, mend)


def host_network(workload: Workload) -> Iterator[Finding]:
    if not workload.spec.get("hostNetwork") or workload.told.open:
        return
    missing = [
        flag
        for flag, name in (("--listen", "listen"), ("--probe-listen", "probe_listen"))
        if not workload.told.given(name)
    ]
    if missing:
        what = f"hostNetwork without {' and '.join(missing)}: every sidecar of a node wants the same ports"
        yield error(Id.HOST_NETWORK, workload.where, what, "give ports that are free on every node")


def probes(workload: Workload, container: Object) -> Iterator[Finding]:
    """Kubelet asks the pod's IP, where the workload's listener does not answer."""
    listen = workload.told.value("listen")
    host, _, port = str(listen or "").rpartition(":")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = mapping(container.get(name))
        http = inside(probe, "httpGet")
        if host in {"localhost", "127.0.0.1", "[::1]"} and port_number(container, http.get("port")) == int(port):
            what = f"its {name} asks {listen}, where kubelet is not answered: it asks the pod's IP"
            yield error(Id.PROBE_PORT, workload.where, what, "ask the port of --probe-listen (4041)")
        if name == "readinessProbe" and probe and not str(http.get("path", "")).startswith("/leader"):
            what = "the sidecar has a readinessProbe: it counts for the pod, so in every Service of the workload"
            yield warning(Id.SIDECAR_READINESS, workload.where, what, "leave it out: a startup and a liveness probe do")


def port_number(container: Object, port: object) -> int | None:
    """A probe's port: a number, or a name among the container's."""
    if isinstance(port, int):
        return port
    named = [each.get("containerPort") for each in objects(container.get("ports")) if each.get("name") == port]
    return named[0] if named and isinstance(named[0], int) else None


def _labels(workload: Workload) -> bool:
    found = workload.told
    return not found.given("labels") or found.value("labels") is not False


def _mounts_token(workload: Workload, container: Object) -> bool:
    projected = {
        volume.get("name")
        for volume in objects(workload.spec.get("volumes"))
        if any("serviceAccountToken" in source for source in objects(inside(volume, "projected").get("sources")))
    }
    return any(mount.get("name") in projected for mount in objects(container.get("volumeMounts")))
