"""Watches that go on through an API server's restarts and miss nothing: of a namespace's pods, and of a Service."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.routing import Reached, Seen, gaps, leaders, reached, seen, violations
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane

_PATIENCE_SECONDS = 60.0
_RECONNECT_SECONDS = 0.05
_READ_SECONDS = 5.0
"""A frozen API server says nothing, and a restarted one does not know of us."""


class Watch:
    """Used as a context manager: lists what ``path`` names, then hands every event to ``take``, in order."""

    def __init__(self, plane: ControlPlane, path: str, selector: str = "") -> None:
        self._plane, self._path, self._selector = plane, path, selector
        self._version = ""
        self._trouble: str | None = None
        self._connection = self._connect()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"watch {path}", daemon=True)

    def __enter__(self) -> Self:
        listed = self._plane.must("GET", f"{self._path}?labelSelector={self._selector}")
        for item in listed["items"]:
            self.take({"type": "ADDED", "object": item})
        self._version = listed["metadata"]["resourceVersion"]
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError, AttributeError):  # it may not be connected
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        if kind is None:
            self.check()

    def take(self, event: dict[str, Any]) -> None:
        """In the watch's own thread, save for what is there at the start."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises ``AssertionError`` when the watch missed something."""
        assert self._trouble is None, self._trouble

    def _follow(self) -> None:
        while not self._stopping.wait(_RECONNECT_SECONDS):
            self._connection = connection = self._connect()
            try:
                query = f"watch=1&labelSelector={self._selector}&resourceVersion={self._version}"
                token = {"Authorization": f"Bearer {self._plane.admin_token}"}
                connection.request("GET", f"{self._path}?{query}", headers=token)
                self._read(connection)
            except (OSError, http.client.HTTPException):
                continue  # cut off or timed out: go on from the last version seen
            finally:
                connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        server = urlsplit(self._plane.url)
        trust = ssl.create_default_context(cafile=self._plane.ca_file)
        return http.client.HTTPSConnection(str(server.hostname), server.port, timeout=_READ_SECONDS, context=trust)

    def _read(self, connection: http.client.HTTPSConnection) -> None:
        answer = connection.getresponse()
        if answer.status != 200:
            return
        while not self._stopping.is_set() and (line := answer.readline()):
            event = json.loads(line)
            if event["type"] == "ERROR":
                self._trouble = f"the watch of {self._path} missed something: {event}"
                self._stopping.set()
                return
            self.take(event)
            self._version = event["object"]["metadata"]["resourceVersion"]


class PodWatch(Watch):
    """At its end what was seen must not break promise 3."""

    def __init__(self, plane: ControlPlane, namespace: str, key: str, *, leader: str = "leader") -> None:
        super().__init__(plane, f"/api/v1/namespaces/{namespace}/pods")
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
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        super().__init__(plane, path, f"kubernetes.io/service-name={service}")
        self._seen: list[Reached] = []

    def take(self, event: dict[str, Any]) -> None:
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
