"""Findings about a Service that a sidecar is to route by its EndpointSlices: in manifests, and in a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sidecar.check.finding import Finding, Id, error, warning
from sidecar.check.manifests.shape import Object, inside, mapping, objects
from sidecar.check.manifests.workload import Workload
from sidecar.election.route_scheme import MANAGER, MANAGER_LABEL, Place, aim
from sidecar.kube.route import read_place, read_service

_PLACE = {"name": "any", "uid": "any"}


def in_manifests(manifests: Iterable[Object], found: Iterable[Workload]) -> Iterator[Finding]:
    """Each Service that a workload routes, as far as it stands in the manifests."""
    services = [each for each in manifests if each.get("kind") == "Service"]
    for workload in found:
        name = workload.told.value("route")
        for service in services:
            metadata = inside(service, "metadata")
            if name and metadata.get("name") == name and str(metadata.get("namespace") or "") == workload.namespace:
                yield from of_service(f"Service {name}", service, workload.spec)


def in_cluster(name: str, service: Object | None, slices: Iterable[Object], pod_spec: Object) -> Iterator[Finding]:
    """``service``: None where there is none of this name. ``slices``: those that bear its name."""
    where = f"Service {name}"
    if service is None:
        mend = "create it, without a selector, in the pod's namespace"
        yield error(Id.ROUTE_SERVICE, where, "there is none: --route has nothing to route", mend)
        return
    yield from of_service(where, service, pod_spec)
    others = sorted(str(inside(each, "metadata").get("name")) for each in slices if not _is_ours(each))
    if others and not inside(service, "spec", "selector"):
        what = f"others keep slices of it: {', '.join(others)}: it routes to what they name as well"
        yield warning(
            Id.ROUTE_STRANGER, where, what, "delete them, and the Endpoints object of its name if there is one"
        )


def of_service(where: str, service: Object, pod_spec: Object) -> Iterator[Finding]:
    """``pod_spec``: of the pods that may lead, empty where it is not known."""
    spec = inside(service, "spec")
    if spec.get("type") == "ExternalName":
        what = "is an ExternalName: nothing reads its slices"
        yield error(Id.ROUTE_SERVICE, where, what, "give it a cluster IP, or make it headless")
        return
    if mapping(spec.get("selector")):
        what = "has a selector: Kubernetes adds every pod that it names to the leader, whom --route names"
        yield error(
            Id.ROUTE_SELECTOR, where, what, "take the selector out; routing by the label is done without --route"
        )
    unresolved = _unresolved(service, pod_spec) if pod_spec else ()
    if unresolved:
        what = f"its target ports {', '.join(unresolved)} are named by no container of the pod, and are left out"
        yield error(Id.ROUTE_PORTS, where, what, "name a container's port so, or give the number as targetPort")


def _unresolved(service: Object, pod_spec: Object) -> tuple[str, ...]:
    """What has another shape than Kubernetes takes is its affair to say."""
    try:
        wanted = read_service({"metadata": {"uid": ""}, "spec": _without_families(service)})
        place: Place = read_place({"metadata": _PLACE, "spec": pod_spec})
    except (AttributeError, KeyError, TypeError, ValueError):
        return ()
    return aim(wanted, place).unresolved


def _without_families(service: Object) -> Mapping[str, Any]:
    return {**inside(service, "spec"), "ipFamilies": None, "ports": objects(inside(service, "spec").get("ports"))}


def _is_ours(found: Object) -> bool:
    return inside(found, "metadata", "labels").get(MANAGER_LABEL) == MANAGER
