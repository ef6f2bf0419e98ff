"""What a sidecar notes below ``leader-sidecar.meta/`` for those after it, and reads of those before it.

None of it is worth failing for: where etcd's user has no right to those keys, or etcd is full, the question is asked
without.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sidecar.election.events import Confirmed, Release, Shift
from sidecar.election.past import Leadership, leading_name, released_name, write_leadership
from sidecar.election.queue import QueueView
from sidecar.errors import EtcdError, NoSpace, PermissionDenied
from sidecar.etcd.port import LockStore, Note

log = logging.getLogger(__name__)

T = TypeVar("T")


class Notes:
    def __init__(self, lock: str, store: LockStore) -> None:
        self._lock, self._store = lock, store
        self._refused = False

    async def look(self, mine: str, revision: int | None) -> QueueView:
        """Raises ``EtcdError``, as all of these."""
        return await self._without_at_worst(
            lambda: self._store.look(self._lock, mine, revision, past=True),
            lambda: self._store.look(self._lock, mine, revision),
        )

    async def confirm(self, mine: str, record: Leadership | None) -> Confirmed:
        if record is None:
            return Confirmed(*await self._store.confirm(mine))
        note = Note(leading_name(self._lock), write_leadership(record))
        try:
            answer = Confirmed(*await self._store.record(mine, record.token, note), recorded=True)
        except (PermissionDenied, NoSpace) as error:
            self._say(error)
            # room there may be later, a right is as it is
            return Confirmed(*await self._store.confirm(mine), recorded=isinstance(error, PermissionDenied))
        self._refused = False
        return answer

    async def release(self, mine: str, question: Release) -> bool:
        if not question.marked:
            return await self._store.release(mine, question.revision)
        return await self._without_at_worst(
            lambda: self._store.release(mine, question.revision, self._mark(question.revision)),
            lambda: self._store.release(mine, question.revision),
        )

    async def shift(self, question: Shift) -> bool:
        kept, gone = question.kept, question.gone
        if not question.marked:
            return await self._store.shift(kept, gone)
        return await self._without_at_worst(
            lambda: self._store.shift(kept, gone, self._mark(gone[0].create_revision)),
            lambda: self._store.shift(kept, gone),
        )

    def _mark(self, token: int) -> Note:
        return Note(released_name(self._lock), str(token))

    async def _without_at_worst(self, with_notes: Callable[[], Awaitable[T]], without: Callable[[], Awaitable[T]]) -> T:
        """etcd checks rights and room before it does anything: what it refused has had no effect."""
        try:
            answer = await with_notes()
        except (PermissionDenied, NoSpace) as error:
            self._say(error)
            return await without()
        self._refused = False
        return answer

    def _say(self, error: EtcdError) -> None:
        if not self._refused:
            log.warning("no note of how a leadership began or ended: %s", error)
        self._refused = True
