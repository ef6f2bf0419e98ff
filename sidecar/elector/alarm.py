"""Wait for something, for at most so many seconds of the injected clock: the only way in which the elector waits."""

import asyncio
import math
from collections.abc import Coroutine

from sidecar.clock import Clock


async def within(clock: Clock, seconds: float, work: Coroutine[object, object, object]) -> bool:
    """Whether ``work`` ended within ``seconds`` (``inf`` for however long it takes); it is cancelled if not."""
    waits: list[asyncio.Task[object]] = [asyncio.create_task(work)]
    if seconds < math.inf:
        waits.append(asyncio.create_task(clock.sleep(max(0.0, seconds))))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return waits[0].done()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class Alarm:
    """For one sleeper. A ring while nobody sleeps ends the next sleep at once, so that none is lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` (``inf`` for never) or at the next ring, whichever comes first."""
        await within(self._clock, seconds, self._rung.wait())
        self._rung.clear()
