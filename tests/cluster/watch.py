"""What becomes of a namespace's pods, and of a Service, in the order in which it became so.

Watched in the API server's own etcd: one watch, which no restart of the API server ends. A watch of the API cannot do
it: after a restart its cache starts at a revision of its own, and knows nothing of what came just before.
"""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.routing import Reached, Seen, gaps, leaders, reached, seen, violations
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane

_PATIENCE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0


class Watch:
    """Used as a context manager: hands what is there and then every event of a ``resource`` to ``take``, in order."""

    def __init__(self, plane: ControlPlane, resource: str, namespace: str) -> None:
        server = urlsplit(plane.etcd_url)
        self._connection = http.client.HTTPConnection(str(server.hostname), server.port, timeout=_CONNECT_SECONDS)
        self._prefix = f"/registry/{resource}/{namespace}/".encode()
        self._trouble: str | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name=f"watch {self._prefix!r}", daemon=True)

    def __enter__(self) -> Self:
        past_the_last = self._prefix[:-1] + bytes([self._prefix[-1] + 1])
        keys = {"key": _coded(self._prefix), "range_end": _coded(past_the_last)}
        self._connection.request("POST", "/v3/kv/range", json.dumps(keys))
        listed = json.load(self._connection.getresponse())
        for key in listed.get("kvs", []):
            self.take(_as_the_api_has_it({"kv": key}))
        following = {**keys, "start_revision": int(listed["header"]["revision"]) + 1, "prev_kv": True}
        self._connection.request("POST", "/v3/watch", json.dumps({"create_request": following}))
        self._connection.sock.settimeout(None)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()
        if kind is None:
            self.check()

    def take(self, event: dict[str, Any]) -> None:
        """An event as the API's watches have them. In the watch's own thread, save for what is there at the start."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises ``AssertionError`` when the watch missed something."""
        assert self._trouble is None, self._trouble

    def _follow(self) -> None:
        try:
            answer = self._connection.getresponse()
            while line := answer.readline():
                result = json.loads(line).get("result", {})
                if "canceled" in result or not result:
                    self._trouble = f"etcd ended the watch: {line!r}"
                    return
                for event in result.get("events", []):
                    self.take(_as_the_api_has_it(event))
        except (OSError, http.client.HTTPException, AttributeError) as error:  # AttributeError: closed while it read
            if not self._stopping:
                self._trouble = f"the watch ended: {error!r}"


def _as_the_api_has_it(event: dict[str, Any]) -> dict[str, Any]:
    deleted = event.get("type") == "DELETE"
    stored = json.loads(base64.b64decode((event["prev_kv"] if deleted else event["kv"])["value"]))
    stored["metadata"]["resourceVersion"] = event["kv"]["mod_revision"]
    return {"type": "DELETED" if deleted else "MODIFIED", "object": stored}


def _coded(key: bytes) -> str:
    return base64.b64encode(key).decode()


class PodWatch(Watch):
    """At its end what was seen must not break promise 3."""

    def __init__(self, plane: ControlPlane, namespace: str, key: str, *, leader: str = "leader") -> None:
        super().__init__(plane, "pods", namespace)
        self._key, self._leader = key, leader
        self._events: list[Seen] = []
        self._now: dict[str, Seen] = {}

    def take(self, event: dict[str, Any]) -> None:
        pod = seen(event, self._key, time.monotonic(), leader=self._leader)
        self._events.append(pod)
        if pod.role is None:
            self._now.pop(pod.uid, None)
        else:
            self._now[pod.uid] = pod

    def check(self) -> None:
        """Raises ``AssertionError`` when what was seen breaks promise 3."""
        super().check()
        found = violations(self.events())
        assert not found, "\n".join([*found, *map(str, self.events())])

    def forget(self) -> None:
        """Judge only what comes from now on, and what is."""
        self._events[:] = list(self._now.values())

    def events(self) -> list[Seen]:
        return list(self._events)

    def pods(self) -> dict[str, Seen]:
        """By name, as last seen."""
        return {pod.name: pod for pod in list(self._now.values())}

    def leaders(self) -> list[str]:
        """Names of the pods that bear the leader's label."""
        return sorted(pod.name for pod in leaders(list(self._now.values())))

    def gaps(self) -> list[float]:
        return gaps(self.events())

    def wait_for(self, what: str, holds: Callable[[], bool], logs: Callable[[], str]) -> None:
        deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.005)
        while deadline.goes_on():
            if holds():
                return
        shown = "\n".join(map(str, self.events()[-30:]))
        raise AssertionError(f"not within {_PATIENCE_SECONDS} s: {what}\n{shown}\n{logs()}")


class ServiceWatch(Watch):
    """What a Service's user sees: the pods behind it, as its EndpointSlice says."""

    def __init__(self, plane: ControlPlane, namespace: str, service: str) -> None:
        super().__init__(plane, "endpointslices", namespace)
        self._service = service
        self._seen: list[Reached] = []

    def take(self, event: dict[str, Any]) -> None:
        if event["object"]["metadata"]["labels"]["kubernetes.io/service-name"] == self._service:
            self._seen.append(reached(event, time.monotonic()))

    def seen(self) -> list[Reached]:
        return list(self._seen)

    def pods(self) -> tuple[str, ...]:
        """Whom a connection would reach now."""
        return self._seen[-1].pods if self._seen else ()

    def wait_for(self, pods: tuple[str, ...]) -> None:
        deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.005)
        while deadline.goes_on():
            if self.pods() == pods:
                return
        raise AssertionError(f"the Service does not lead to {pods}: {self._seen[-20:]}")

    def gaps(self) -> list[float]:
        """How long it led to nobody, each time, in seconds."""
        found: list[float] = []
        since: float | None = None
        for state in self._seen:
            if not state.pods and since is None:
                since = state.at
            elif state.pods and since is not None:
                found.append(state.at - since)
                since = None
        return found
