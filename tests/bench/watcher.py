"""Follows one sidecar's ``/leader/watch`` and says when a 200 of ``/leader`` could first be had."""

import http.client
import json
import socket
import time
from typing import Any

from tests.support.sidecar import SidecarProcess


class LeadershipWatcher:
    """Listens before the handover; at the event that says "leads" it asks ``/leader`` once, on an open connection.

    So the sidecar under test is not busied by polling while it takes over.
    """

    def __init__(self, sidecar: SidecarProcess) -> None:
        self._stream = socket.create_connection(("127.0.0.1", sidecar.port), timeout=60)
        self._stream.sendall(b"GET /leader/watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._lines = self._stream.makefile("rb")
        self._asking = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=10)
        self._ask()  # opens the connection

    def wait_until_following(self) -> None:
        """Return once an event has said that it does not lead: the stream is up."""
        while self._next_state()["is_leader"]:
            pass

    def wait_for_200(self) -> tuple[float, float]:
        """Monotonic seconds: when the event came, and when ``/leader`` had answered 200."""
        while not self._next_state()["is_leader"]:
            pass
        told = time.monotonic()
        while self._ask() != http.client.OK:
            pass
        return told, time.monotonic()

    def close(self) -> None:
        self._asking.close()
        self._lines.close()
        self._stream.close()

    def _ask(self) -> int:
        self._asking.request("GET", "/leader")
        answer = self._asking.getresponse()
        answer.read()
        return answer.status

    def _next_state(self) -> dict[str, Any]:
        while True:
            line = self._lines.readline()
            if not line:
                raise ConnectionError("the stream of events has ended")
            if line.startswith(b"data:"):
                state: dict[str, Any] = json.loads(line[5:])
                return state
