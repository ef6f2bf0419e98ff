"""The only speaker to Kubernetes: the client library's bare ``ApiClient``, each call in a thread of its own.

``CoreV1Api`` and the models are not touched: they cost 22 MiB and half a second of CPU.
"""

import functools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from sidecar.errors import (
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeUnauthorized,
    KubeUnavailable,
    PodGone,
)
from sidecar.kube.access import Access
from sidecar.kube.ending import read_status
from sidecar.kube.port import PodEvent, PodMeta, PodStatus
from sidecar.kube.threads import Threads

_T = TypeVar("_T")

CALL_SECONDS = 5.0
"""Longest wait for an answer, connecting included."""

_GRACE_SECONDS = 1.0
"""What a thread may take longer than its timeouts (name lookup, a trickling answer) before its call counts as lost."""

_CALLS_AT_MOST = 8
"""Calls that never return (an answer that trickles for ever) must not pile up: beyond these none is sent."""

_PARTIAL = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1,application/json"


class KubePods:
    """``sidecar.kube.port.Pods`` on a real API server."""

    def __init__(self, access: Access, namespace: str, component: str) -> None:
        """``component`` is what Events name as their source."""
        from kubernetes.client.api_client import ApiClient

        self._access = access
        self._api: Any = ApiClient(access.configuration)
        self._host = access.configuration.host
        self._namespace = namespace
        self._component = component
        self._threads = Threads("kube", _CALLS_AT_MOST)

    @property
    def in_flight(self) -> int:
        """Calls whose thread has not returned, waited for or not."""
        return self._threads.in_flight

    async def read(self, name: str, *, cached: bool) -> PodMeta:
        headers = {"Accept": _PARTIAL.format(list="")}
        answer = await self._call("GET", self._pod(name), _cache(cached), headers, None, CALL_SECONDS)
        return _understood(_metadata, answer)

    async def select(self, selector: str, *, cached: bool) -> tuple[PodMeta, ...]:
        query = {"labelSelector": selector, **_cache(cached)}
        headers = {"Accept": _PARTIAL.format(list="List")}
        answer = await self._call("GET", self._path("pods"), query, headers, None, CALL_SECONDS)
        return tuple(_understood(_metadata, item) for item in answer.get("items") or ())

    async def patch(
        self,
        name: str,
        *,
        uid: str,
        version: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str | None],
    ) -> PodMeta:
        metadata = {"uid": uid, "resourceVersion": version, "labels": labels, "annotations": annotations}
        headers = {"Accept": _PARTIAL.format(list=""), "Content-Type": "application/merge-patch+json"}
        answer = await self._call("PATCH", self._pod(name), {}, headers, {"metadata": metadata}, CALL_SECONDS)
        return _understood(_metadata, answer)

    async def status(self, name: str, timeout_seconds: float) -> PodStatus:
        headers = {"Accept": "application/json"}
        return _understood(read_status, await self._call("GET", self._pod(name), {}, headers, None, timeout_seconds))

    async def announce(self, name: str, uid: str, event: PodEvent) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name[:200]}-", "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": self._namespace,
                "name": name,
                "uid": uid,
            },
            "reason": event.reason,
            "message": event.message[:1000],
            "type": "Warning" if event.warning else "Normal",
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        await self._call("POST", self._path("events"), {}, headers, body, CALL_SECONDS)

    async def ask(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        """One request about whole objects, and the object that is the answer."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return await self._call(method, path, query, headers, body, CALL_SECONDS)

    def close(self) -> None:
        """Close idle connections."""
        self._api.close()

    def _path(self, resource: str) -> str:
        return f"/api/v1/namespaces/{quote(self._namespace, safe='')}/{resource}"

    def _pod(self, name: str) -> str:
        return f"{self._path('pods')}/{quote(name, safe='')}"

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
        timeout_seconds: float,
    ) -> Any:
        url = f"{self._host}{path}?{urlencode(query)}" if query else f"{self._host}{path}"
        exchange = functools.partial(self._exchange, method, url, headers, body, timeout_seconds)
        status, content = await self._in_thread(exchange, timeout_seconds)
        if status == 401:
            # Kubelet may have replaced the token a moment ago; a 401 is refused before anything is done.
            renewed = functools.partial(self._renew_and, exchange)
            status, content = await self._in_thread(renewed, timeout_seconds)
        answer = _decode(content)
        if 200 <= status < 300:
            if not isinstance(answer, dict):
                raise KubeUnavailable(f"{method} {path}: {status} with a body that is no JSON object")
            return answer
        raise translate(f"{method} {path}", status, answer if isinstance(answer, dict) else {})

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
        timeout_seconds: float,
    ) -> tuple[int, bytes]:
        """One request and its whole answer; runs in a thread."""
        answer = self._api.call_api(
            method,
            url,
            header_params={**headers, **self._access.headers(), "User-Agent": self._component},
            body=body,
            _request_timeout=timeout_seconds,
        )
        return answer.status, answer.read()

    def _renew_and(self, exchange: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        self._access.renew()
        return exchange()

    async def _in_thread(self, call: Callable[[], tuple[int, bytes]], timeout_seconds: float) -> tuple[int, bytes]:
        try:
            return await self._threads.run(call, timeout_seconds + _GRACE_SECONDS)
        except TimeoutError as error:
            raise KubeUnavailable("the Kubernetes API: no answer in time") from error
        except Exception as error:  # urllib3's, OpenSSL's and the operating system's
            raise KubeUnavailable(f"the Kubernetes API: {_root_of(error)}") from error


def translate(request: str, status: int, answer: Mapping[str, Any]) -> KubeError:
    """An answer that is no success, as an error. ``answer`` is its Status object, empty when there was none."""
    message = f"{request}: {status} {answer.get('message') or answer.get('reason') or ''}".rstrip()
    causes = (answer.get("details") or {}).get("causes") or ()
    if status == 401:
        return KubeUnauthorized(message)
    if status == 404:
        return PodGone(message)
    if status == 409:
        return KubeConflict(message)
    if status == 422 and any(cause.get("field") == "metadata.uid" for cause in causes):
        return PodGone(message)
    if 400 <= status < 500 and status not in (408, 429):
        return KubeForbidden(message)
    return KubeUnavailable(message)


def _cache(cached: bool) -> dict[str, str]:
    return {"resourceVersion": "0"} if cached else {}


def _understood(read: Callable[[Mapping[str, Any]], _T], pod: Any) -> _T:
    try:
        return read(pod)
    except (AttributeError, KeyError, TypeError) as error:
        raise KubeUnavailable(f"the Kubernetes API: a pod that is none: {error!r}") from error


def _metadata(pod: Mapping[str, Any]) -> PodMeta:
    metadata = pod["metadata"]
    return PodMeta(
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        terminating="deletionTimestamp" in metadata,
    )


def _decode(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _root_of(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"
