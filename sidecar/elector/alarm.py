"""Sleep until a time, or until rung: the one way in which the elector waits."""

import asyncio
import math

from sidecar.clock import Clock


class Alarm:
    """For one sleeper. A ring while nobody sleeps ends the next sleep at once, so that none is lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` (``inf`` for never) or at the next ring, whichever comes first."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._rung.wait())]
        if seconds < math.inf:
            waits.append(asyncio.create_task(self._clock.sleep(max(0.0, seconds))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._rung.clear()
