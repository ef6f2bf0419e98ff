"""Keeps the watches that the core wants running, each in a task of its own."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from random import Random

from sidecar.clock import Clock
from sidecar.election.events import KeyChanged, WatchBroke
from sidecar.errors import EtcdError, HistoryWentBack
from sidecar.etcd.port import LockStore

SHORT_LIVED_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.05, 5.0


class Followed:
    """``want`` is told which keys to watch; ``feed`` gets what happens to them, ``history_back`` the alarm."""

    def __init__(
        self,
        store: LockStore,
        clock: Clock,
        random: Random,
        *,
        spawn: Callable[..., asyncio.Task[None]],
        feed: Callable[[KeyChanged | WatchBroke], None],
        history_back: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._random = store, clock, random
        self._spawn, self._feed, self._history_back = spawn, feed, history_back
        self._running: dict[str, asyncio.Task[None]] = {}
        self._short_lives = 0

    def want(self, wanted: Mapping[str, int]) -> None:
        """Watch these keys, each from its revision on, and no others. A watch that runs is kept as it is."""
        for name in [name for name in self._running if name not in wanted]:
            self._running.pop(name).cancel()
        for name, from_revision in wanted.items():
            if name not in self._running:
                self._running[name] = self._spawn(self._follow(name, from_revision), name=f"watch {name}")

    async def _follow(self, name: str, from_revision: int) -> None:
        began = self._clock.now()
        me = asyncio.current_task()
        history_went_back = False
        try:
            async with aclosing(self._store.watch(name, from_revision)) as changes:
                async for change in changes:
                    self._feed(KeyChanged(change.name, change.revision, change.key))
        except HistoryWentBack:
            history_went_back = True
        except EtcdError:
            pass  # counted where it was translated; the read that follows tells what was missed
        # a watch that breaks as soon as it stands must not turn into a storm of reads
        self._short_lives = self._short_lives + 1 if self._clock.now() - began < SHORT_LIVED_SECONDS else 0
        if self._short_lives > 1:
            pause = min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._short_lives, 10))
            await self._clock.sleep(pause * self._random.uniform(0.5, 1))
        if self._running.get(name) is me:
            del self._running[name]
        if history_went_back:
            self._history_back()
        else:
            self._feed(WatchBroke(name))
