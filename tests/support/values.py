"""``/state/{key}`` of a running sidecar, asked as a workload would."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tests.support.sidecar import SidecarProcess

CREATE = {"If-None-Match": "*"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    etag: str | None
    content: bytes

    @property
    def unchanged(self) -> dict[str, str]:
        """The condition of a write on what this answer shows."""
        assert self.etag is not None
        return {"If-Match": self.etag}


def _answer_on(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    return Answer(answer.status, answer.getheader("ETag"), answer.read())


@contextmanager
def _connected(sidecar: SidecarProcess) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    sidecar: SidecarProcess, method: str, key: str, headers: dict[str, str] | None = None, content: bytes | None = None
) -> Answer:
    with _connected(sidecar) as connection:
        connection.request(method, f"/state/{key}", content, headers or {})
        return _answer_on(connection)


class SlowPut:
    """A PUT whose client waits to be asked for the body: once it is, the sidecar has looked whether it leads."""

    def __init__(self, sidecar: SidecarProcess, key: str, headers: dict[str, str], content: bytes) -> None:
        self._content = content
        self._sock = socket.create_connection(("127.0.0.1", sidecar.port), timeout=60)
        lines = [f"PUT /state/{key} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
        lines += ["Expect: 100-continue", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._sock.sendall("\r\n".join(lines).encode())
        self._answer = http.client.HTTPResponse(self._sock, method="PUT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._sock.close()

    def wait_until_asked_for_the_body(self) -> None:
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            byte = self._sock.recv(1)
            assert byte, f"it hung up after {got!r}"
            got += byte
        assert got.startswith(b"HTTP/1.1 100 "), got

    def send_the_body(self) -> None:
        self._sock.sendall(self._content)

    def answer(self) -> Answer:
        self._answer.begin()
        return Answer(self._answer.status, self._answer.getheader("ETag"), self._answer.read())
