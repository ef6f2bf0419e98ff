"""A watch on the pods of a namespace that goes on through an API server's restarts and misses nothing."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from tests.cluster.routing import Seen, gaps, leaders, seen, violations
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane

_PATIENCE_SECONDS = 60.0
_RECONNECT_SECONDS = 0.05
_READ_SECONDS = 5.0
"""A frozen API server says nothing, and a restarted one does not know of us."""


class PodWatch:
    """Used as a context manager; at its end what was seen must not break promise 3."""

    def __init__(self, plane: ControlPlane, namespace: str, key: str) -> None:
        self._plane, self._namespace, self._key = plane, namespace, key
        self._events: list[Seen] = []
        self._now: dict[str, Seen] = {}
        self._version = ""
        self._trouble: str | None = None
        self._connection = self._connect()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"watch {namespace}", daemon=True)

    def __enter__(self) -> Self:
        listed = self._plane.must("GET", f"/api/v1/namespaces/{self._namespace}/pods")
        self._version = listed["metadata"]["resourceVersion"]
        for pod in listed["items"]:
            self._take({"type": "ADDED", "object": pod})
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

    def check(self) -> None:
        """Raises ``AssertionError`` when what was seen breaks promise 3."""
        assert self._trouble is None, self._trouble
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
        """Names of the pods that the leader's Service would reach."""
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

    def _follow(self) -> None:
        while not self._stopping.wait(_RECONNECT_SECONDS):
            self._connection = connection = self._connect()
            try:
                path = f"/api/v1/namespaces/{self._namespace}/pods?watch=1&resourceVersion={self._version}"
                connection.request("GET", path, headers={"Authorization": f"Bearer {self._plane.admin_token}"})
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
                self._trouble = f"the watch missed something: {event}"
                self._stopping.set()
                return
            self._take(event)

    def _take(self, event: dict[str, object]) -> None:
        pod = seen(event, self._key, time.monotonic())
        self._version = pod.version
        self._events.append(pod)
        if pod.role is None:
            self._now.pop(pod.uid, None)
        else:
            self._now[pod.uid] = pod
