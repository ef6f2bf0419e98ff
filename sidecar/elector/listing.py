"""The whole queue, for people: read from etcd at most once a second, however many ask."""

import asyncio
from collections.abc import Callable, Sequence

from sidecar.clock import Clock
from sidecar.election.candidate import NEVER
from sidecar.election.queue import LockKey, in_order
from sidecar.errors import EtcdError, HistoryWentBack
from sidecar.etcd.port import LockStore

EVERY_SECONDS = 1.0

Listed = tuple[int, Sequence[LockKey]]
"""The revision of the read, and the candidates in order."""


class Listing:
    """``history_back`` is called when the read shows that etcd's history went back."""

    def __init__(
        self,
        store: LockStore,
        lock: str,
        clock: Clock,
        *,
        tasks: asyncio.TaskGroup,
        history_back: Callable[[], None],
    ) -> None:
        self._store, self._lock, self._clock = store, lock, clock
        self._tasks, self._history_back = tasks, history_back
        self._reading: asyncio.Task[Listed | EtcdError] | None = None
        self._read_at = -NEVER

    async def get(self) -> Listed:
        """Raises ``EtcdError``."""
        now = self._clock.now()
        if self._reading is None or (self._reading.done() and now - self._read_at >= EVERY_SECONDS):
            self._read_at = now
            self._reading = self._tasks.create_task(self._read(), name=f"candidates {self._lock}")
        answer = await asyncio.shield(self._reading)
        if isinstance(answer, EtcdError):
            raise answer
        return answer

    async def _read(self) -> Listed | EtcdError:
        """One read for all who ask at the same time; a failure is kept for as long as an answer would be."""
        try:
            header, keys = await self._store.candidates(self._lock)
        except EtcdError as error:
            if isinstance(error, HistoryWentBack):
                self._history_back()
            return error
        return header.revision, in_order(self._lock, keys)[0]
