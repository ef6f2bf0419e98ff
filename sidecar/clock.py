"""The one clock: ``CLOCK_BOOTTIME``, which also counts suspend. Wall time is read to distrust, never to extend."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What everything that waits or compares deadlines is given; tests and simulations give their own."""

    def now(self) -> float:
        """Seconds since boot, suspend included; comparable between all processes of one machine."""

    def wall(self) -> float:
        """Seconds since the Unix epoch, as the wall clock has it."""

    async def sleep(self, seconds: float) -> None:
        """Return after at least ``seconds`` (asyncio's timers do not count suspend: compare ``now`` again)."""


class SystemClock:
    """The machine's clocks. Falls back to the monotonic clock where there is no ``CLOCK_BOOTTIME`` (not Linux)."""

    _id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        return time.clock_gettime(self._id)

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
