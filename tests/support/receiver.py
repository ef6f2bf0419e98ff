"""The workload's end of the webhooks: a server that notes what arrives, and answers, fails or hangs as it is told."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.children import Deadline, free_ports
from tests.support.witness import boottime

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """``at``: seconds of CLOCK_BOOTTIME."""

    at: float
    event: str
    body: dict[str, Any]

    @property
    def token(self) -> int | None:
        token: int | None = self.body["token"]
        return token


class Receiver:
    """Used as a context manager. ``start`` and ``stop`` may be called again; it keeps its port, and what arrived.

    While ``open`` is not set requests are noted and not answered.
    """

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.arrivals: list[Arrival] = []
        self.status = 204
        self.open = threading.Event()
        self.open.set()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def flags(self) -> tuple[str, str]:
        url = f"http://localhost:{self.port}"
        return f"--on-elected={url}/elected", f"--on-lost={url}/lost"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.arrivals.append(Arrival(boottime(), body["event"], body))
                receiver.open.wait(_PATIENCE_SECONDS)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more; what hangs is answered."""
        self.open.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def events(self) -> list[tuple[str, int | None]]:
        return [(arrival.event, arrival.token) for arrival in tuple(self.arrivals)]

    def wait_for(self, event: str, *, token: int | None, since: float = 0.0) -> Arrival:
        deadline = Deadline(_PATIENCE_SECONDS)
        while deadline.goes_on():
            for arrival in tuple(self.arrivals):
                if (arrival.event, arrival.token) == (event, token) and arrival.at >= since:
                    return arrival
        raise AssertionError(f"{event} of {token} never came: {self.events()}")
