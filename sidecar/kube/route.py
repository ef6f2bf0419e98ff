"""EndpointSlices, a Service and the own pod, by the same bare client as the label's calls."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from sidecar.election.label_scheme import read_token
from sidecar.election.route_scheme import (
    MANAGER,
    MANAGER_LABEL,
    SERVICE_LABEL,
    TOKEN_ANNOTATION,
    ContainerPort,
    Endpoint,
    Family,
    Place,
    Port,
    Service,
    ServicePort,
    Slice,
    slice_name,
)
from sidecar.errors import KubeUnavailable, PodGone, ServiceMissing
from sidecar.kube.client import KubePods

_T = TypeVar("_T")

_GROUP = "discovery.k8s.io/v1"


class KubeSlices:
    """``sidecar.kube.route_port.Slices`` on a real API server."""

    def __init__(self, pods: KubePods, namespace: str, service: str) -> None:
        self.service_name = service
        self._ask, self._namespace = pods.ask, namespace
        self._names = {slice_name(service, family): family for family in Family}

    async def find(self, *, cached: bool) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
        query = {
            "labelSelector": f"{SERVICE_LABEL}={self.service_name}",
            **({"resourceVersion": "0"} if cached else {}),
        }
        answer = await self._ask("GET", self._path(), query, None)
        mine, strangers = [], []
        for item in answer.get("items") or ():
            if _understood(self._is_mine, item):
                mine.append(_understood(read_slice, item))
            else:
                strangers.append(str(item["metadata"]["name"]))
        return tuple(mine), tuple(sorted(strangers))

    async def replace(self, before: Slice, after: Slice) -> Slice:
        name = slice_name(self.service_name, after.family)
        body = write_slice(after, name=name, namespace=self._namespace, service=self.service_name)
        if not before.version:
            return _understood(read_slice, await self._ask("POST", self._path(), {}, body))
        body["metadata"]["resourceVersion"] = before.version
        return _understood(read_slice, await self._ask("PUT", f"{self._path()}/{quote(name, safe='')}", {}, body))

    async def service(self) -> Service:
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/services/{quote(self.service_name, safe='')}"
        try:
            answer = await self._ask("GET", path, {}, None)
        except PodGone as error:
            missing = f"there is no Service {self._namespace}/{self.service_name}: create it, without a selector"
            raise ServiceMissing(missing) from error
        return _understood(read_service, answer)

    async def place(self, pod: str) -> Place:
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/pods/{quote(pod, safe='')}"
        return _understood(read_place, await self._ask("GET", path, {}, None))

    def _is_mine(self, item: Mapping[str, Any]) -> bool:
        metadata = item["metadata"]
        family = self._names.get(metadata["name"])
        return bool(family == item["addressType"] and metadata["labels"].get(MANAGER_LABEL) == MANAGER)

    def _path(self) -> str:
        return f"/apis/{_GROUP}/namespaces/{quote(self._namespace, safe='')}/endpointslices"


def read_slice(item: Mapping[str, Any]) -> Slice:
    metadata = item["metadata"]
    owners = (owner["uid"] for owner in metadata.get("ownerReferences") or () if owner["kind"] == "Service")
    return Slice(
        family=Family(item["addressType"]),
        version=metadata["resourceVersion"],
        token=read_token((metadata.get("annotations") or {}).get(TOKEN_ANNOTATION)),
        endpoints=tuple(_read_endpoint(each) for each in item.get("endpoints") or ()),
        ports=tuple(
            Port(each.get("name") or "", each.get("protocol") or "TCP", each["port"], each.get("appProtocol") or "")
            for each in item.get("ports") or ()
        ),
        owner=next(owners, ""),
    )


def write_slice(what: Slice, *, name: str, namespace: str, service: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {SERVICE_LABEL: service, MANAGER_LABEL: MANAGER},
        "annotations": {TOKEN_ANNOTATION: str(what.token)} if what.token else {},
    }
    if what.owner:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Service", "name": service, "uid": what.owner}]
    return {
        "apiVersion": _GROUP,
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": str(what.family),
        "endpoints": [_write_endpoint(each, namespace) for each in what.endpoints],
        "ports": [
            {
                "name": each.name,
                "protocol": each.protocol,
                "port": each.number,
                **({"appProtocol": each.app_protocol} if each.app_protocol else {}),
            }
            for each in what.ports
        ],
    }


def read_service(item: Mapping[str, Any]) -> Service:
    spec = item["spec"]
    ports = tuple(
        ServicePort(
            name=each.get("name") or "",
            protocol=each.get("protocol") or "TCP",
            target=each.get("targetPort") or each["port"],
            app_protocol=each.get("appProtocol") or "",
        )
        for each in spec.get("ports") or ()
    )
    families = tuple(Family(each) for each in spec.get("ipFamilies") or ())
    return Service(item["metadata"]["uid"], ports, families, has_selector=bool(spec.get("selector")))


def read_place(pod: Mapping[str, Any]) -> Place:
    """Containers, and init containers that go on running, as Kubernetes' own FindPort looks at them."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return Place(
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName") or "",
        addresses=tuple(each["ip"] for each in status.get("podIPs") or ()),
        ports=tuple(
            ContainerPort(port["name"], port.get("protocol") or "TCP", port["containerPort"])
            for container in [*(spec.get("containers") or ()), *sidecars]
            for port in container.get("ports") or ()
            if port.get("name")
        ),
    )


def _read_endpoint(item: Mapping[str, Any]) -> Endpoint:
    target = item.get("targetRef") or {}
    addresses = item.get("addresses") or [""]
    return Endpoint(
        address=addresses[0] if len(addresses) == 1 else ",".join(addresses),
        pod=target.get("name") or "",
        uid=target.get("uid") or "",
        node=item.get("nodeName") or "",
        ready=(item.get("conditions") or {}).get("ready") is True,
    )


def _write_endpoint(what: Endpoint, namespace: str) -> dict[str, Any]:
    return {
        "addresses": [what.address],
        "conditions": {"ready": what.ready, "serving": what.ready, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": namespace, "name": what.pod, "uid": what.uid},
        **({"nodeName": what.node} if what.node else {}),
    }


def _understood(read: Callable[[Mapping[str, Any]], _T], item: Any) -> _T:
    try:
        return read(item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KubeUnavailable(f"the Kubernetes API: an object that is none: {error!r}") from error
