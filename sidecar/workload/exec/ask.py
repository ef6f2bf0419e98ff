"""Asks the sidecar of this pod, over HTTP on a connection that is kept open."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from sidecar.errors import SettingError, SidecarError

_ANSWER_SECONDS = 2.0
"""A sidecar in the same pod answers in milliseconds: past this it is frozen, or gone."""


class NoAnswer(SidecarError):
    """The sidecar cannot be reached, or does not answer as one."""


class Sidecar:
    """``address`` is ``HOST:PORT``, as ``--listen`` of ``leader-sidecar run``. Raises ``SettingError`` for another.

    One for each thread. ``ask`` and ``resign`` raise ``NoAnswer``.
    """

    def __init__(self, address: str) -> None:
        host, colon, port = address.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
            raise SettingError("--sidecar", address, "write HOST:PORT, as in localhost:4040")
        self.address = address
        self._host, self._port = host.strip("[]") or "localhost", int(port)
        self._connection: HTTPConnection | None = None

    def ask(self, since: str | None = None, wait_seconds: float = 0.0) -> dict[str, Any]:
        """The body of ``/leader``; with ``since``, once its version is another, or after ``wait_seconds``."""
        query = "" if since is None else f"?wait={wait_seconds:.3f}&since={quote(since, safe='')}"
        status, body = self._exchange("GET", f"/leader{query}", wait_seconds + _ANSWER_SECONDS)
        if status not in (200, 503) or not isinstance(body, dict) or "is_leader" not in body:
            raise NoAnswer(f"what answers on {self.address} is no leader-sidecar: it said {status}")
        return body

    def resign(self) -> bool:
        """Whether the lead was given up; False where this pod did not lead. The workload must have stopped."""
        status, _ = self._exchange("POST", "/resign", _ANSWER_SECONDS)
        if status not in (204, 409):
            raise NoAnswer(f"the sidecar on {self.address} does not resign: it said {status}")
        return status == 204

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, path: str, timeout_seconds: float) -> tuple[int, Any]:
        """Status and JSON body (None where there is none). A connection that fails is not used again."""
        if self._connection is None:
            self._connection = HTTPConnection(self._host, self._port)
        connection = self._connection
        try:
            connection.timeout = timeout_seconds
            if connection.sock is not None:
                connection.sock.settimeout(timeout_seconds)
            connection.request(method, path)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswer(f"no sidecar answers on {self.address}: {error or type(error).__name__}") from error
        try:
            return answer.status, json.loads(raw) if raw else None
        except ValueError:
            return answer.status, None
