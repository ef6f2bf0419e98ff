"""Requests that are held open: long polls and streams. Bounded in number, and ended together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.types import Receive

from sidecar.http.port import Election

MOST_HELD = 100


class Hold:
    """One open request. ``over`` once its client has gone or it has to make room."""

    def __init__(self, released: asyncio.Future[None], gone: asyncio.Task[None]) -> None:
        self._released, self._gone = released, gone

    @property
    def over(self) -> bool:
        return self._released.done() or self._gone.done()

    @property
    def client_gone(self) -> bool:
        return self._gone.done()

    def on_departure(self, act: Callable[[], None]) -> None:
        """Call this when the client goes: at once, whatever the stream waits for, and before the context ends."""
        self._gone.add_done_callback(lambda gone: None if gone.cancelled() else act())

    async def change(self, election: Election, version: str, timeout_seconds: float) -> None:
        """Return when the version is another, the hold is over, or the time is up."""
        change = asyncio.create_task(election.changed(version), name="http-change")
        try:
            await asyncio.wait(
                {change, self._released, self._gone}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            change.cancel()
            await asyncio.wait({change})
        if not change.cancelled():
            change.result()


class Held:
    """All open requests. When there are too many, the longest open one ends.

    Turning the newest away instead would let readers that are stopped or leaked, and never close, lock out the rest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[asyncio.Future[None], None] = {}
        self._lasting: dict[asyncio.Future[None], None] = {}
        self._closed = False

    @asynccontextmanager
    async def hold(self, receive: Receive, *, lasting: bool = False) -> AsyncIterator[Hold]:
        """A ``lasting`` one never has to make room: whoever opens such bounds their number."""
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            released.set_result(None)
        elif not lasting and len(self._open) >= self._most:
            self._release(next(iter(self._open)))
        (self._lasting if lasting else self._open)[released] = None
        gone = asyncio.create_task(_departure(receive), name="http-departure")
        try:
            yield Hold(released, gone)
        finally:
            self._open.pop(released, None)
            self._lasting.pop(released, None)
            gone.cancel()
            await asyncio.wait({gone})

    def close(self) -> None:
        """End all, and each later one at once."""
        self._closed = True
        for released in [*self._open, *self._lasting]:
            self._release(released)

    def _release(self, released: asyncio.Future[None]) -> None:
        self._open.pop(released, None)
        self._lasting.pop(released, None)
        released.set_result(None)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
