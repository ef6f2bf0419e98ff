"""Findings about ports that two containers of a pod want: the API server does not mind, and the second cannot start."""

from collections.abc import Iterator

from sidecar.check.finding import Finding, Id, error
from sidecar.check.manifests.shape import Object, objects
from sidecar.check.manifests.workload import Workload


def findings(workload: Workload) -> Iterator[Finding]:
    ours = dict(_ours(workload))
    for other in workload.others():
        for port in _declared(other):
            if port in ours:
                what = (
                    f"container {other.get('name', '?')} declares port {port}, which the sidecar's {ours[port]} takes"
                )
                mend = f"give the sidecar another {ours[port]}, or the container another port"
                yield error(Id.PORT_CLASH, workload.where, what, mend)


def _ours(workload: Workload) -> Iterator[tuple[int, str]]:
    for flag, field_name in (("--listen", "listen"), ("--probe-listen", "probe_listen")):
        address = workload.told.value(field_name)
        if address:
            yield int(str(address).rpartition(":")[2]), flag


def _declared(container: Object) -> list[int]:
    ports = [port for port in objects(container.get("ports")) if port.get("protocol", "TCP") == "TCP"]
    return [number for port in ports if isinstance(number := port.get("containerPort"), int)]
