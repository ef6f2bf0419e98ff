"""Kubernetes APIs for tests of the pod label: kmock with what it lacks, and a real one, behind one set of verbs.

kmock stores, merges and serves objects over real HTTP. It lacks, and ``Kubernetes`` adds: a resourceVersion that moves
with every change and is held against a patch's (409), a uid that is held against a patch's (422 with a cause that
names ``metadata.uid``; both wrong: 409, as the real one answers), label selectors, generateName, rights (401, 403).
It has no admission policy: what that refuses is asked of the real API only.
"""

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import aiohttp.web
import kmock
import pytest
import yaml

from tests.support.controlplane import ControlPlane
from tests.support.policy import apply_policy

NAMESPACE = "default"
PATIENCE_SECONDS = 60.0

_PODS = kmock.resource("", "v1", "pods")
_SERVICES = kmock.resource("", "v1", "services")
_SLICES = kmock.resource("discovery.k8s.io", "v1", "endpointslices")
_ROLE = "leader-sidecar:candidate"
_ROUTE_ROLE = "leader-sidecar:route"
_ROUTE = Path(__file__).parents[2] / "deploy" / "components" / "route" / "route.yaml"


class Api(Protocol):
    """One namespace of a Kubernetes API, as its administrator and its nodes have it."""

    namespace: str

    async def create_pod(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
        """A running pod; its uid."""

    async def pod(self, name: str) -> dict[str, Any]:
        """The whole pod, read consistently."""

    async def pods(self) -> list[dict[str, Any]]: ...

    async def events(self) -> list[dict[str, Any]]: ...

    async def terminate_pod(self, name: str) -> None:
        """It is Terminating from now on, and stays."""

    async def remove_pod(self, name: str) -> None: ...

    async def edit_labels(self, name: str, labels: Mapping[str, str]) -> None:
        """As an administrator, by hand."""

    async def give_addresses(self, name: str, *addresses: str) -> None:
        """As kubelet, once the pod has a network."""

    async def create_service(self, name: str, spec: Mapping[str, Any]) -> None: ...

    async def edit_service(self, name: str, spec: Mapping[str, Any]) -> None: ...

    async def slices(self) -> list[dict[str, Any]]:
        """All EndpointSlices."""

    async def write_slice(self, slice_: Mapping[str, Any]) -> None:
        """As an administrator; in the place of one of that name."""

    async def delete_slice(self, name: str) -> None: ...

    def kubeconfig(self, folder: Path, name: str, uid: str) -> Path:
        """For the sidecar of one pod: its token is bound to that pod."""

    async def take_rights(self) -> None:
        """Candidates may not touch pods any more."""

    async def give_rights(self) -> None: ...

    async def go_away(self) -> None:
        """Nobody answers any more."""

    async def come_back(self) -> None: ...


async def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


class Kubernetes(kmock.KubernetesEmulator):
    """kmock's emulator, made faithful where the pod label leans on it."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.forbidden = False
        self.refuse_tokens = False

    async def _handle(self, request: Any) -> aiohttp.web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return aiohttp.web.json_response(refusal, status=refusal["code"])
        if request.action == kmock.action.CREATE:
            self._name(request.data["metadata"])
        if request.action == kmock.action.LIST:
            return self._select(request)
        if request.method == kmock.method.PUT:
            return self._replace(request)
        if request.action == kmock.action.UPDATE and not self._changes(request):
            return aiohttp.web.json_response(self._found(request))
        if request.action == kmock.action.UPDATE:
            request.data["metadata"]["resourceVersion"] = str(next(self.numbers))
        return await super()._handle(request)

    def _refusal(self, request: Any) -> dict[str, Any] | None:
        from_sidecar = "Authorization" in request.headers
        if self.refuse_tokens and from_sidecar:
            return _status(401, "Unauthorized")
        if self.forbidden and from_sidecar:
            return _status(403, f'cannot {request.action} resource "{request.resource.plural}"')
        if request.action != kmock.action.UPDATE:
            return None
        found = self._found(request)
        if found is None:
            return _status(404, "pods not found")
        metadata = request.data["metadata"]
        if (
            metadata.get("resourceVersion", found["metadata"]["resourceVersion"])
            != found["metadata"]["resourceVersion"]
        ):
            return _status(409, "the object has been modified")
        if metadata.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            return _status(422, "field is immutable", causes=[{"field": "metadata.uid"}])
        return None

    def _replace(self, request: Any) -> aiohttp.web.StreamResponse:
        """A PUT, which kmock does not know. Unlike the real one it keeps labels and annotations that are left out."""
        found = self._found(request)
        if found is None:
            return aiohttp.web.json_response(_status(404, "not found"), status=404)
        version = found["metadata"]["resourceVersion"]
        if request.data["metadata"].get("resourceVersion", version) != version:
            return aiohttp.web.json_response(_status(409, "the object has been modified"), status=409)
        after = _merged(found, request.data)
        if after != found:
            after["metadata"]["resourceVersion"] = str(next(self.numbers))
            self.objects[(request.resource, request.namespace, request.name)].patch(after)
        return aiohttp.web.json_response(self._found(request))

    def _name(self, metadata: dict[str, Any]) -> None:
        number = str(next(self.numbers))
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{number}")
        metadata.update(uid=f"uid-{number}", resourceVersion=number, namespace=NAMESPACE)

    def _found(self, request: Any) -> dict[str, Any] | None:
        key = (request.resource, request.namespace, request.name)
        if key not in self.objects or self.objects[key].deleted:
            return None
        found: dict[str, Any] = self.objects[key].raw
        return found

    def _changes(self, request: Any) -> bool:
        found = self._found(request)
        assert found is not None
        parts = ("labels", "annotations", "deletionTimestamp")
        wanted = {part: request.data["metadata"][part] for part in parts if part in request.data["metadata"]}
        return json.dumps(_merged(found["metadata"], wanted), sort_keys=True) != json.dumps(
            found["metadata"], sort_keys=True
        )

    def _select(self, request: Any) -> aiohttp.web.StreamResponse:
        found = [
            obj.raw
            for (resource, _, _), obj in self.objects.items()
            if resource == request.resource and not obj.deleted
        ]
        chosen = [obj for obj in found if _matches(request.params.get("labelSelector", ""), obj["metadata"])]
        body = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "0"}, "items": chosen}
        return aiohttp.web.json_response(body)


class MockedApi:
    """kmock, on a port of its own, in the loop of the test."""

    namespace = NAMESPACE

    def __init__(self) -> None:
        self.kubernetes = Kubernetes()
        self._server: kmock.Server | None = None
        self._port: int | None = None

    async def __aenter__(self) -> Self:
        await self.kubernetes.__aenter__()
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_away()
        await self.kubernetes.__aexit__(None, None, None)

    async def create_pod(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
        metadata = {"name": name, "labels": dict(labels), "annotations": dict(annotations)}
        answer = await self._ask("POST", "pods", {"metadata": metadata, "spec": {"containers": [{"name": "w"}]}})
        return str(answer["metadata"]["uid"])

    async def pod(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kubernetes.objects[_PODS, NAMESPACE, name].raw
        return found

    async def pods(self) -> list[dict[str, Any]]:
        return self._all("pods")

    async def events(self) -> list[dict[str, Any]]:
        return self._all("events")

    async def terminate_pod(self, name: str) -> None:
        await self._edit(name, {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["test/stay"]})

    async def remove_pod(self, name: str) -> None:
        self.kubernetes.objects[_PODS, NAMESPACE, name].delete()

    async def edit_labels(self, name: str, labels: Mapping[str, str]) -> None:
        await self._edit(name, {"labels": dict(labels)})

    async def give_addresses(self, name: str, *addresses: str) -> None:
        self.kubernetes.objects[_PODS, NAMESPACE, name].patch({"status": {"podIPs": [{"ip": ip} for ip in addresses]}})

    async def create_service(self, name: str, spec: Mapping[str, Any]) -> None:
        await self._ask("POST", "services", {"metadata": {"name": name}, "spec": dict(spec)})

    async def edit_service(self, name: str, spec: Mapping[str, Any]) -> None:
        self.kubernetes.objects[_SERVICES, NAMESPACE, name].patch({"spec": dict(spec)})

    async def slices(self) -> list[dict[str, Any]]:
        return self._all("endpointslices")

    async def write_slice(self, slice_: Mapping[str, Any]) -> None:
        name = slice_["metadata"]["name"]
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        there = any(each["metadata"]["name"] == name for each in self._all("endpointslices"))
        method, path = ("PUT", f"{path}/{name}") if there else ("POST", path)
        async with self.kubernetes.request(method, path, json=dict(slice_)) as answer:
            answer.raise_for_status()

    async def delete_slice(self, name: str) -> None:
        self.kubernetes.objects[_SLICES, NAMESPACE, name].delete()

    def kubeconfig(self, folder: Path, name: str, uid: str) -> Path:
        return write_kubeconfig(folder / f"{name}.kubeconfig", str(self.kubernetes.url).rstrip("/"), f"token-{uid}")

    async def take_rights(self) -> None:
        self.kubernetes.forbidden = True

    async def give_rights(self) -> None:
        self.kubernetes.forbidden = False

    async def go_away(self) -> None:
        if self._server is not None:
            await self._server.__aexit__(None, None, None)
            self._server = None

    async def come_back(self) -> None:
        self._server = kmock.Server(self.kubernetes, port=self._port)
        await self._server.__aenter__()
        self._port = self._server.port

    async def _edit(self, name: str, metadata: Mapping[str, Any]) -> None:
        pod = self.kubernetes.objects[_PODS, NAMESPACE, name]
        pod.patch({"metadata": {**metadata, "resourceVersion": str(next(self.kubernetes.numbers))}})

    async def _ask(self, method: str, resource: str, body: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{NAMESPACE}/{resource}"
        async with self.kubernetes.request(method, path, json=dict(body)) as answer:
            answer.raise_for_status()
            content: dict[str, Any] = await answer.json()
            return content

    def _all(self, plural: str) -> list[dict[str, Any]]:
        objects = self.kubernetes.objects.items()
        return [obj.raw for (resource, _, _), obj in objects if resource.plural == plural and not obj.deleted]


class RealApi:
    """A real kube-apiserver with the candidates' role and the admission policy; one namespace for each test."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace

    async def __aenter__(self) -> Self:
        apply_policy(self.plane, labels=["role=primary/replica"])
        self.plane.create_namespace(self.namespace)
        await self.give_rights()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.come_back()

    async def create_pod(self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
        pod = self.plane.create_pod(self.namespace, name, labels=labels, annotations=annotations)
        return str(pod["metadata"]["uid"])

    async def pod(self, name: str) -> dict[str, Any]:
        return self.plane.pod(self.namespace, name)

    async def pods(self) -> list[dict[str, Any]]:
        return self._list("pods")

    async def events(self) -> list[dict[str, Any]]:
        return self._list("events")

    async def terminate_pod(self, name: str) -> None:
        self.plane.delete_pod(self.namespace, name, grace_seconds=3600)

    async def remove_pod(self, name: str) -> None:
        self.plane.delete_pod(self.namespace, name)

    async def edit_labels(self, name: str, labels: Mapping[str, str]) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        body = {"metadata": {"labels": dict(labels)}}
        self.plane.must("PATCH", path, body, content_type="application/merge-patch+json")

    async def give_addresses(self, name: str, *addresses: str) -> None:
        ips = [{"ip": ip} for ip in addresses]
        self.plane.set_pod_status(self.namespace, name, {"podIP": addresses[0], "podIPs": ips})

    async def create_service(self, name: str, spec: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/services"
        self.plane.must("POST", path, {"metadata": {"name": name}, "spec": dict(spec)})

    async def edit_service(self, name: str, spec: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/services/{name}"
        self.plane.must("PATCH", path, {"spec": dict(spec)}, content_type="application/merge-patch+json")

    async def slices(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.plane.must("GET", self._slices())["items"]
        return items

    async def write_slice(self, slice_: Mapping[str, Any]) -> None:
        name = slice_["metadata"]["name"]
        answer = self.plane.request("PUT", f"{self._slices()}/{name}", slice_)
        if answer.status == 404:
            self.plane.must("POST", self._slices(), slice_)
        else:
            assert answer.status in (200, 201), answer

    async def delete_slice(self, name: str) -> None:
        self.plane.must("DELETE", f"{self._slices()}/{name}")

    async def give_route_rights(self) -> None:
        """The chart's role and policy of the route."""
        install_route(self.plane)
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROUTE_ROLE}
        self.plane.must(
            "POST", self._bindings(), {"metadata": {"name": "route"}, "roleRef": role, "subjects": [subject]}
        )

    def _slices(self) -> str:
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    def kubeconfig(self, folder: Path, name: str, uid: str) -> Path:
        token = self.plane.pod_token(self.namespace, "default", name, uid)
        return self.plane.write_kubeconfig(folder / f"{name}.kubeconfig", token)

    async def take_rights(self) -> None:
        self.plane.must("DELETE", f"{self._bindings()}/candidates")

    async def give_rights(self) -> None:
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROLE}
        body = {"metadata": {"name": "candidates"}, "roleRef": role, "subjects": [subject]}
        self.plane.must("POST", self._bindings(), body)

    async def go_away(self) -> None:
        self.plane.apiserver.freeze()

    async def come_back(self) -> None:
        self.plane.apiserver.thaw()

    def _bindings(self) -> str:
        return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/rolebindings"

    def _list(self, resource: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.plane.must("GET", f"/api/v1/namespaces/{self.namespace}/{resource}")["items"]
        return items


APIS = ["kmock", pytest.param("real", marks=[pytest.mark.tools])]
"""Parameters of a fixture that gives ``api_named`` its name."""

_NAMESPACES = itertools.count()


@contextlib.asynccontextmanager
async def api_named(name: str, request: pytest.FixtureRequest) -> AsyncIterator[MockedApi | RealApi]:
    if name == "kmock":
        async with MockedApi() as mocked:
            yield mocked
    else:
        async with RealApi(request.getfixturevalue("real_control_plane"), f"label-{next(_NAMESPACES)}") as real:
            yield real


def install_route(plane: ControlPlane) -> None:
    """What the chart has for routes, once for a control plane."""
    for manifest in yaml.safe_load_all(_ROUTE.read_text()):
        plural = f"{manifest['kind'].lower()}s".replace("policys", "policies")
        answer = plane.request("POST", f"/apis/{manifest['apiVersion']}/{plural}", manifest)
        assert answer.status in (201, 409), answer


def write_kubeconfig(file: Path, server: str, token: str) -> Path:
    file.touch(mode=0o600)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    file.write_text(json.dumps(content))
    return file


def _status(code: int, message: str, causes: list[dict[str, str]] | None = None) -> dict[str, Any]:
    details = {"causes": causes} if causes else {}
    return {"kind": "Status", "apiVersion": "v1", "code": code, "message": message, "details": details}


def _matches(selector: str, metadata: Mapping[str, Any]) -> bool:
    labels = metadata.get("labels") or {}
    if several := re.fullmatch(r"(\S+) in \(([^)]*)\)", selector):
        return labels.get(several[1]) in several[2].split(",")
    key, _, value = selector.partition("=")
    return not key or labels.get(key) == value


def _merged(before: Any, patch: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(patch, dict):
        return patch
    merged = {key: value for key, value in before.items() if patch.get(key, value) is not None}
    merged.update({key: _merged(before.get(key), value) for key, value in patch.items() if value is not None})
    return merged
