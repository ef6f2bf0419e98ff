"""A workload that can be asked how it is: HTTP on a free port of 127.0.0.1, in a thread of the test's own process."""

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Checkable:
    """Used as a context manager. Healthy unless told otherwise."""

    def __init__(self) -> None:
        self._statuses: Iterator[int] = itertools.repeat(200)
        self.asked = 0
        workload = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the base class' name
                workload.asked += 1
                self.send_response(next(workload._statuses))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="workload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/healthz"

    def be_well(self) -> None:
        self._statuses = itertools.repeat(200)

    def be_unwell(self) -> None:
        self._statuses = itertools.repeat(500)

    def flap(self, unwell: int) -> None:
        """One success, then so many failures, and so on."""
        self._statuses = itertools.cycle([200, *[500] * unwell])
