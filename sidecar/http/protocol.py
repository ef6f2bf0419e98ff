"""uvicorn's HTTP/1.1 connection, with what it lacks: room for newcomers, an end for readers that stall."""

import asyncio
import itertools
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sidecar.http.problem import MEDIA_TYPE, problem_document

STALLED_SECONDS = 10.0
"""How long a reader may leave an answer unread, once the kernel's buffer is full."""

HOLD_PATH = "/leader/hold"

_arrivals = itertools.count()


class Connection(H11Protocol):
    """At most ``most`` are open. A newcomer takes the place of the oldest, one without a request under way if possible.

    A cap that turned newcomers away would let anybody who can open connections fail kubelet's liveness probe, which
    opens a new one each time, and so have the leader restarted.
    """

    most: int
    arrival = 0
    stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Nothing is kept for a reader but what the kernel takes and the one event it is being sent.
        transport.set_write_buffer_limits(high=0)
        self.arrival = next(_arrivals)
        others = [other for other in self.connections if isinstance(other, Connection) and other is not self]
        if len(others) >= self.most:
            min(others, key=lambda other: (other.holding, other.busy, other.arrival)).transport.abort()

    @property
    def busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def holding(self) -> bool:
        """The lead hangs on this connection: it is not for us to end it."""
        return self.busy and self.scope["path"].endswith(HOLD_PATH)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.holding:
            return
        self.stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_stall_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        body = problem_document(HTTPStatus.BAD_REQUEST, msg)
        headers = [
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("cache-control", "no-store"),
            ("connection", "close"),
        ]
        self.transport.write(self.conn.send(h11.Response(status_code=400, headers=headers, reason=b"Bad Request")))
        self.transport.write(self.conn.send(h11.Data(data=body)))
        self.transport.write(self.conn.send(h11.EndOfMessage()))
        self.transport.close()

    def _stop_stall_timer(self) -> None:
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None


class WorkloadConnection(Connection):
    most = 256


class PodConnection(Connection):
    most = 64
