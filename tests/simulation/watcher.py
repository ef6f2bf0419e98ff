"""One watch stream between a simulated member and a host: in order, with delays, and never silent about its end."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random

from sidecar.errors import WatchLost
from sidecar.etcd.port import KeyEvent
from tests.simulation.host import Host
from tests.simulation.member import Member, Mode

CUT_NOTICED_SECONDS = 6.0
"""gRPC's pings notice a connection that carries nothing after this long."""
NO_LEADER_NOTICED_SECONDS = 1.5


class Watcher:
    """``forget`` takes it off the member's list. ``stalled``: events go missing and nobody notices."""

    def __init__(self, name: str, member: Member, host: Host, rng: Random, forget: Callable[["Watcher"], None]) -> None:
        self.name, self.member, self.host = name, member, host
        self.arrived: deque[KeyEvent] = deque()
        self.lost: WatchLost | None = None
        self.stalled = False
        self._rng, self._forget = rng, forget
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[KeyEvent] = deque()
        self._last_due = 0.0
        self._silent_since: float | None = None
        self._news: asyncio.Future[None] | None = None

    def offer(self, event: KeyEvent) -> None:
        if event.name == self.name:
            self._unsent.append(event)
            self.flush()

    def flush(self) -> None:
        """Send on what the member has for this stream, if it can."""
        if self.lost or self.stalled or self.member.mode is not Mode.UP or not self._reached():
            return
        while self._unsent:
            event = self._unsent.popleft()
            due = max(self._last_due, self._loop.time() + self.host.network.delay(self._rng, 0.0))
            self._last_due = due
            self._loop.call_at(due, self.host.deliver, partial(self._arrive, event))

    def check(self) -> None:
        """Called now and then: whether a stream that carries nothing is noticed."""
        now = self._loop.time()
        self._silent_since = None if self._reached() else (self._silent_since or now)
        if self.member.mode is Mode.DOWN:
            self.lose("connection refused")
        elif self.member.mode is Mode.ISOLATED and now - self.member.since > NO_LEADER_NOTICED_SECONDS:
            self.lose("etcdserver: no leader")
        elif self._silent_since is not None and now - self._silent_since > CUT_NOTICED_SECONDS:
            self.lose("no answer to pings")

    def lose(self, why: str) -> None:
        """The stream ends; the host hears of it, when it hears of anything."""
        self._forget(self)
        self.host.deliver(lambda: self.end(WatchLost(f"{self.name}: {why}")))

    def end(self, error: WatchLost) -> None:
        self._forget(self)
        if self.lost is None:
            self.lost = error
            self._wake()

    async def next(self) -> KeyEvent:
        """The next event. Raises ``WatchLost`` once everything that came before the end was handed out."""
        while not self.arrived:
            if self.lost is not None:
                raise self.lost
            self._news = self._loop.create_future()
            await self._news
        return self.arrived.popleft()

    def _reached(self) -> bool:
        return self.member.mode is not Mode.FROZEN and self.host.network.reaches(self.member.place)

    def _arrive(self, event: KeyEvent) -> None:
        if self.lost is None:
            self.arrived.append(event)
            self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
