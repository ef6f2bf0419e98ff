"""What happens to the group while the lead moves: lock, labels and the leader's Service, as soon as it is known."""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from tests.cluster.routing import Reached, Seen, reached, seen
from tests.cluster.slices import Said, said
from tests.node import group

_CONNECT_SECONDS = 10.0


class Trace:
    """Used as a context manager. Times are monotonic, in seconds; a watch tells of a change within milliseconds."""

    def __init__(self, of: group.Group = group.LABELLED) -> None:
        self._of = of
        self.pods: list[Seen] = []
        self.service: list[Reached] = []
        self.slices: list[Said] = []
        self.released: list[float] = []
        """When a lock key went."""
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            for resource, label, take in (
                (f"/api/v1/namespaces/{group.NAMESPACE}/pods", f"app={self._of.name}", self._take_pod),
                (
                    f"/apis/discovery.k8s.io/v1/namespaces/{group.NAMESPACE}/endpointslices",
                    f"kubernetes.io/service-name={self._of.service}",
                    self._take_slice,
                ),
            ):
                path = f"{resource}?watch=1&labelSelector={quote(label, safe='')}"
                opening.enter_context(_Lines(_api(), "GET", path, None, take))
            keys = {"key": _coded(f"{self._of.lock}/"), "range_end": _coded(f"{self._of.lock}0")}
            request = {"create_request": keys | {"filters": ["NOPUT"]}}
            opening.enter_context(_Lines(_etcd(), "POST", "/v3/watch", request, self._take_lock))
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.__exit__(*exception)  # type: ignore[arg-type]

    def _take_pod(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "BOOKMARK":
            self.pods.append(seen(event, self._of.key, time.monotonic()))

    def _take_slice(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "BOOKMARK":
            self.service.append(reached(event, time.monotonic()))
            self.slices.append(said(event, time.monotonic()))

    def _take_lock(self, event: Mapping[str, Any]) -> None:
        self.released += [time.monotonic() for _ in event.get("result", {}).get("events", ())]


class _Lines:
    """One long answer of JSON lines, each handed to ``take`` in a thread of its own."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        take: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._connection, self._take = connection, take
        self._request = (method, path, None if body is None else json.dumps(body))
        self._thread = threading.Thread(target=self._follow, name=f"trace {path}")

    def __enter__(self) -> Self:
        method, path, body = self._request
        self._connection.request(method, path, body, _credentials() if method == "GET" else {})
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            raise OSError(f"{path}: {self._answer.status} {self._answer.read()!r}")
        self._connection.sock.settimeout(None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):  # closed while it read
            while line := self._answer.readline():
                self._take(json.loads(line))


def _kubeconfig() -> dict[str, Any]:
    """The node's own, which is written as JSON."""
    return dict(json.loads(Path(os.environ["KUBECONFIG"]).read_text()))


def _api() -> http.client.HTTPSConnection:
    cluster = _kubeconfig()["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    return http.client.HTTPSConnection(str(server.hostname), server.port, timeout=_CONNECT_SECONDS, context=trust)


def _credentials() -> dict[str, str]:
    return {"Authorization": f"Bearer {_kubeconfig()['users'][0]['user']['token']}"}


def _etcd() -> http.client.HTTPConnection:
    return http.client.HTTPConnection(group.etcd_address(), 2379, timeout=_CONNECT_SECONDS)


def _coded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()
