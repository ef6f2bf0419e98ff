"""Stands between an example and a server: counts what it asks, and keeps requests or answers back on demand."""

import contextlib
import socket
import socketserver
import threading
from typing import Self

_CHUNK_BYTES = 65536
_PATIENCE_SECONDS = 60.0


class Gate:
    """What goes one way. While it is shut, chunks wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shut = False
        self._waiting = 0
        self.passed: list[bytes] = []

    def shut(self) -> None:
        with self._changed:
            self._shut = True

    def open(self) -> None:
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def wait_for_one(self) -> None:
        """Until a chunk waits."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting > 0, _PATIENCE_SECONDS), "nothing comes to the gate"

    def let_through(self, chunk: bytes) -> None:
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._shut)
            self._waiting -= 1
            self.passed.append(chunk)


class Relay(socketserver.ThreadingTCPServer):
    """Passes connections on to ``port`` of 127.0.0.1. Used as a context manager: end both sides before it ends."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = port
        self.requests, self.answers = Gate(), Gate()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.requests.open()
        self.answers.open()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, start: bytes) -> int:
        """How many requests have begun so."""
        return sum(chunk.startswith(start) for chunk in tuple(self.requests.passed))


class _Connection(socketserver.BaseRequestHandler):
    server: Relay
    request: socket.socket

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            answers = threading.Thread(target=_pass, args=(upstream, self.request, self.server.answers))
            answers.start()
            _pass(self.request, upstream, self.server.requests)
            answers.join()


def _pass(source: socket.socket, sink: socket.socket, gate: Gate) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            gate.let_through(chunk)
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
