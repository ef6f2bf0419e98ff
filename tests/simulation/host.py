"""A simulated machine: its own clock, its network, and pauses in which nothing that it awaits completes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.trace import Trace

EPOCH_SECONDS = 1_700_000_000.0
"""Wall time at the start of a run."""

TIMER_SLACK_SECONDS = 1e-6
"""Timers fire a little late, never early: a sleeper that compares the clock again must find its time come."""

LATEST_SECONDS = 8.0
"""What comes late comes this late at most."""


@dataclass
class Network:
    """Between one host and etcd. Times are seconds, chances of one request; ``cut_from`` are members' places."""

    fastest: float = 0.0005
    slowest: float = 0.003
    request_lost: float = 0.0
    answer_lost: float = 0.0
    request_late: float = 0.0
    answer_late: float = 0.0
    latest: float = LATEST_SECONDS
    cut: bool = False
    cut_from: set[int] = field(default_factory=set)

    def reaches(self, place: int) -> bool:
        return not self.cut and place not in self.cut_from

    def delay(self, rng: Random, late: float) -> float:
        if late and rng.random() < late:
            return rng.uniform(self.slowest, self.latest)
        return rng.uniform(self.fastest, self.slowest)


class Host:
    """One machine. ``rate`` is how many of its seconds pass in one true second, ``offset`` its time since boot."""

    def __init__(self, name: str, rng: Random, trace: Trace, *, offset: float = 0.0, rate: float = 1.0) -> None:
        self.name, self.rng, self.trace, self.rate = name, rng, trace, rate
        self.network = Network()
        self.clock = HostClock(self, offset)
        self.paused = False
        self.dead = False
        self._held: list[tuple[bool, Callable[[], object]]] = []
        self._at_next_send: Callable[[], object] | None = None

    def deliver(self, act: Callable[[], object], *, timer: bool = False) -> None:
        """Let something complete on this host: now, or when its pause is over, or never when it is dead."""
        if self.dead:
            return
        if self.paused:
            self._held.append((timer, act))
        else:
            act()

    def at_next_send(self, act: Callable[[], object]) -> None:
        """Let something happen to this host while a request of its is on its way."""
        self._at_next_send = act

    def sent(self) -> None:
        """A request has just left."""
        act, self._at_next_send = self._at_next_send, None
        if act is not None and not self.dead:
            act()

    def pause(self) -> None:
        self.paused = True
        self.note("pauses")

    def resume(self) -> None:
        """After a pause answers and timers are due at once; which come first is anybody's guess."""
        self.note("goes on")
        self.paused = False
        held, self._held = self._held, []
        if self.rng.random() < 0.7:
            answers_first = self.rng.random() < 0.5
            held.sort(key=lambda entry: entry[0] is answers_first)
        for _, act in held:
            act()

    def kill(self) -> None:
        """The machine is gone: nothing on it completes any more, and nothing it sends arrives."""
        self.dead = True
        self._held.clear()
        self.note("dies")

    def note(self, line: str) -> None:
        self.trace.add(asyncio.get_running_loop().time(), f"{self.name} {line}")


class HostClock:
    """A ``Clock`` that counts the host's own seconds; ``set_wall`` moves the wall clock alone."""

    def __init__(self, host: Host, offset: float) -> None:
        self._host, self._offset, self._wall_offset = host, offset, 0.0

    def now(self) -> float:
        return self._offset + self._host.rate * asyncio.get_running_loop().time()

    def wall(self) -> float:
        return EPOCH_SECONDS + self.now() - self._offset + self._wall_offset

    def set_wall(self, gain_seconds: float) -> None:
        self._wall_offset += gain_seconds

    async def sleep(self, seconds: float) -> None:
        await wait_on(self._host, asyncio.get_running_loop().create_future(), seconds)


async def wait_on(host: Host, future: "asyncio.Future[None]", seconds: float) -> None:
    """Wait for ``future`` or for ``seconds`` of the host's time, whichever this host comes to see first."""

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    after = max(0.0, seconds) / host.rate + TIMER_SLACK_SECONDS
    timer = asyncio.get_running_loop().call_later(after, lambda: host.deliver(wake, timer=True))
    try:
        await future
    finally:
        timer.cancel()
