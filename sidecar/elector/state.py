"""The leader's small values: read by every pod, written only while this one leads.

Two guards: the verdict when the write is asked for, and etcd's own comparison when it arrives there, however late.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sidecar.election.queue import key_name
from sidecar.election.state import state_below, state_name
from sidecar.election.verdict import View
from sidecar.errors import HistoryWentBack, NotLeading, PermissionDenied, ValueChanged
from sidecar.etcd.port import Value, ValueStore

T = TypeVar("T")


class LeaderState:
    """``view`` is the verdict, computed when it is called.

    ``history_back`` is called when an answer shows that etcd's history went back.
    """

    def __init__(
        self, store: ValueStore, lock: str, *, view: Callable[[], View], history_back: Callable[[], None]
    ) -> None:
        self._store, self._lock, self._view, self._history_back = store, lock, view, history_back

    async def read(self, key: str) -> Value | None:
        """What stands there now, None for nothing. Raises ``EtcdError``."""
        return await self._ask(self._store.read_value(state_name(self._lock, key)))

    async def write(self, key: str, content: bytes | None, *, revision: int) -> int:
        """Put ``content``, or with None delete, if the value is still that of ``revision``; the change's revision.

        ``ABSENT`` is the revision of a value that is not there. Raises ``NotLeading``, ``ValueChanged`` and
        ``EtcdError``: after ``EtcdUnavailable`` it may have been done, or may yet be while this leadership stands.
        """
        seen = self._view()
        if not seen.is_leader or seen.token is None:
            raise NotLeading(f"{seen.name} does not lead {seen.election}")
        answer = await self._ask(
            self._store.write_value(
                state_name(self._lock, key),
                content,
                revision=revision,
                leader=key_name(self._lock, int(seen.id, 16)),
                token=seen.token,
            )
        )
        if not answer.led:
            raise NotLeading(f"{seen.name} does not lead {seen.election} any more")
        if answer.revision is None:
            raise ValueChanged(f"{key} is not what it was when it was read")
        return answer.revision

    async def _ask(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except HistoryWentBack:
            self._history_back()
            raise
        except PermissionDenied as error:
            mend = f"let the etcd user read and write the keys that begin with {state_below(self._lock)}/"
            raise PermissionDenied(f"{error}: {mend}") from error
