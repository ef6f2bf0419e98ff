"""A fake election for the HTTP side, and servers on free ports of loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from sidecar.election.queue import LockKey
from sidecar.election.verdict import Reason, State, Transition, View
from sidecar.errors import EtcdError, NotLeading
from sidecar.http.server import HttpServer
from sidecar.metrics import Metrics

NOW = 1000.0
LOCK = "/leader-sidecar/default/web"
ME = LockKey(f"{LOCK}/a1", 17, 17, 0xA1, "web-0")
OTHER = LockKey(f"{LOCK}/b2", 12, 12, 0xB2, "")

LEADING = View(
    election="web",
    name="web-0",
    id="a1",
    is_leader=True,
    leader="web-0",
    leader_id="a1",
    token=17,
    valid_until=NOW + 9.0,
    at_risk=False,
    since_seconds=1_700_000_000.25,
    state=State.LEADING,
    position=1,
    version="i.1",
)
FOLLOWING = replace(
    LEADING,
    is_leader=False,
    leader="web-1",
    leader_id="b2",
    token=None,
    valid_until=None,
    state=State.WAITING,
    position=2,
)


class FixedClock:
    def now(self) -> float:
        return NOW

    def wall(self) -> float:
        return 1_700_000_000.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeElection:
    """Says what it is told to. ``promised`` are the deadlines handed out; ``resigned`` the ``drain`` of each call."""

    lock = LOCK

    def __init__(self, view: View, max_promise_seconds: float = 2.0) -> None:
        self.shown = view
        self.max_promise_seconds = max_promise_seconds
        self.views = 0
        self.promised: list[float] = []
        self.resigned: list[bool] = []
        self.etcd_error: EtcdError | None = None
        self.transitions: Sequence[Transition] = (
            Transition(1_700_000_000.5, State.WAITING, State.LEADING, Reason.ELECTED, 17, 3.25),
        )
        self._changed = asyncio.Event()

    def show(self, view: View) -> None:
        """Show this view from now on, under the next version."""
        instance, counter = self.shown.version.split(".")
        self.shown = replace(view, version=f"{instance}.{int(counter) + 1}")
        self._changed.set()
        self._changed = asyncio.Event()

    def view(self) -> View:
        self.views += 1
        return self.shown

    def promise(self, view: View) -> float | None:
        if view.valid_until is None:
            return None
        deadline = min(view.valid_until, NOW + self.max_promise_seconds)
        self.promised.append(deadline)
        return deadline

    async def changed(self, version: str) -> None:
        while self.shown.version == version:
            await self._changed.wait()

    async def candidates(self) -> tuple[int, Sequence[LockKey]]:
        if self.etcd_error is not None:
            raise self.etcd_error
        return 40, (OTHER, ME)

    def history(self) -> Sequence[Transition]:
        return self.transitions

    async def resign(self, *, drain: bool) -> None:
        if not self.shown.is_leader:
            raise NotLeading
        self.resigned.append(drain)


class FakeHealth:
    def __init__(self) -> None:
        self.wedge: str | None = None
        self.unreadiness: str | None = None
        self.strict_unreadiness: str | None = None

    def wedged(self) -> str | None:
        return self.wedge

    def unready(self, *, strict: bool) -> str | None:
        return self.unreadiness or (self.strict_unreadiness if strict else None)


@asynccontextmanager
async def serving(
    election: FakeElection, health: FakeHealth, listen: str = "localhost:0", probe_listen: str = ":0"
) -> AsyncIterator[HttpServer]:
    """Both listeners, on free ports unless told otherwise; stopped at the end."""
    server = HttpServer(listen, probe_listen, election, health, Metrics(), FixedClock())
    server.bind()
    task = asyncio.create_task(server.serve(), name="http")
    try:
        yield server
    finally:
        await server.stop(timeout_seconds=2.0)
        await task
