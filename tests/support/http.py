"""A fake election for the HTTP side, and servers on free ports of loopback."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from sidecar.election.queue import LockKey
from sidecar.election.verdict import Reason, State, Transition, View
from sidecar.errors import CannotTransfer, EtcdError, NotLeading, TooManyHolds, UnknownCandidate
from sidecar.http.server import HttpServer
from sidecar.metrics import Metrics
from tests.support.fake_state import FakeState

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
    """Says what it is told to. ``promised`` are the deadlines handed out; ``resigned`` the ``drain`` of each call,
    ``transferred`` whom the lead was handed over to, ``holds`` those opened, unless ``full``."""

    lock = LOCK

    def __init__(self, view: View, max_promise_seconds: float = 2.0) -> None:
        self.shown = view
        self.max_promise_seconds = max_promise_seconds
        self.views = 0
        self.promised: list[float] = []
        self.resigned: list[bool] = []
        self.transferred: list[str] = []
        self.holds: list[FakeHold] = []
        self.full = False
        self.etcd_error: EtcdError | None = None
        self.transitions: Sequence[Transition] = (
            Transition(1_700_000_000.5, State.WAITING, State.LEADING, Reason.ELECTED, 17, 3.25),
        )
        self.state = FakeState(leads=view.is_leader)
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

    def open_hold(self, token: int) -> "FakeHold":
        if self.full:
            raise TooManyHolds("16 connections hold the lead already")
        self.holds.append(FakeHold(token))
        return self.holds[-1]

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

    async def transfer(self, to: str) -> None:
        if not self.shown.is_leader:
            raise NotLeading
        if to == self.shown.name:
            raise CannotTransfer(f"{to} leads already")
        if to not in ("web-1", "b2"):
            raise UnknownCandidate(f"no candidate is called {to}")
        if self.etcd_error is not None:
            raise self.etcd_error
        self.transferred.append(to)


class FakeHold:
    """``ended`` says how: by the workload, or by us."""

    def __init__(self, token: int) -> None:
        self.token = token
        self.ended: str | None = None

    def closed(self) -> None:
        self.ended = self.ended or "closed"

    def let_go(self) -> None:
        self.ended = self.ended or "let go"


class FakeHealth:
    def __init__(self) -> None:
        self.wedge: str | None = None
        self.unreadiness: str | None = None
        self.strict_unreadiness: str | None = None
        self.label: bool | None = None

    def wedged(self) -> str | None:
        return self.wedge

    def unready(self, *, strict: bool) -> str | None:
        return self.unreadiness or (self.strict_unreadiness if strict else None)

    def label_in_sync(self) -> bool | None:
        return self.label


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


@contextmanager
def serving_in_thread(election: FakeElection, health: FakeHealth) -> Iterator[HttpServer]:
    """The same on an event loop of its own, for clients that block."""
    started: queue.Queue[tuple[HttpServer, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        over = asyncio.Event()
        async with serving(election, health) as server:
            started.put((server, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="http-server")
    thread.start()
    server, loop, over = started.get(timeout=30)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=30)


@dataclass
class Raw:
    """One TCP connection to a server, for what no well-behaved client sends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode())
        await self.writer.drain()

    async def until(self, mark: str) -> str:
        """What comes, up to and with ``mark``."""
        async with asyncio.timeout(10):
            return (await self.reader.readuntil(mark.encode())).decode()

    async def rest(self) -> str:
        """What comes until the server closes."""
        async with asyncio.timeout(10):
            return (await self.reader.read()).decode()


@asynccontextmanager
async def raw(port: int, text: str = "", host: str = "127.0.0.1") -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(host, port)
    connection = Raw(reader, writer)
    try:
        await connection.send(text)
        yield connection
    finally:
        writer.close()


async def eventually(promise: str, holds: Callable[[], bool], timeout_seconds: float = 15.0) -> None:
    """Wait until it holds, or fail with the promise that was not kept."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not holds():
        assert loop.time() < deadline, promise
        await asyncio.sleep(0.02)
