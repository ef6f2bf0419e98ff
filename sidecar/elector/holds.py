"""Connections to which the workload has tied the lead: while one is open the workload runs, and says so to the last.

Several may be open, each of a part of the workload. The first that closes ends the lead: that part can work no more,
and the others are told and waited for. When the last one closes nothing is waited for, since the workload has ended.
A hold belongs to the leadership in which it was opened; closing it when that has gone means nothing.
"""

import asyncio
from collections.abc import Callable

from sidecar.errors import TooManyHolds

MOST_HOLDS = 16
FINISH_RATIO = 0.9
"""The part of a drain's bound that the workload gets: its lock is to be released within the rest."""


class Hold:
    """One of them, of the leadership that has this token."""

    def __init__(self, token: int, holds: "Holds") -> None:
        self.token, self._holds = token, holds

    def closed(self) -> None:
        """The workload's end has gone."""
        self._holds.close(self)

    def let_go(self) -> None:
        """This side ends it: it has no say any more."""
        self._holds.drop(self)


class Holds:
    """``end_lead`` is called with the token, and whether others are still open, when one closes first."""

    def __init__(self, end_lead: Callable[[int, bool], None], drain_seconds: float) -> None:
        self._end_lead, self._finish_seconds = end_lead, drain_seconds * FINISH_RATIO
        self._open: set[Hold] = set()
        self._none_open = asyncio.Event()
        self._over = False

    def open(self, token: int) -> Hold:
        """Raises ``TooManyHolds``."""
        if len(self._open) >= MOST_HOLDS:
            raise TooManyHolds(f"{MOST_HOLDS} connections hold the lead already")
        hold = Hold(token, self)
        if not self._over:
            self._open.add(hold)
            self._none_open.clear()
        return hold

    def close(self, hold: Hold) -> None:
        if hold in self._open:
            self.drop(hold)
            self._end_lead(hold.token, bool(self._open))

    def drop(self, hold: Hold) -> None:
        self._open.discard(hold)
        if not self._open:
            self._none_open.set()

    def drop_all(self) -> None:
        """The election ends for this process: what closes from now on means nothing."""
        self._over = True
        for hold in list(self._open):
            self.drop(hold)

    async def finish(self) -> bool | None:
        """The lead is being given up: whether all are closed within the drain's bound. None: there are none."""
        if not self._open:
            return None
        try:
            async with asyncio.timeout(self._finish_seconds):
                await self._none_open.wait()
        except TimeoutError:
            return False
        return True
