"""Stores that break the port's contract on purpose: a simulation that lets them pass would show nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey
from sidecar.etcd.port import ClaimAnswer
from tests.simulation.etcd import SimulatedEtcd
from tests.simulation.host import Host
from tests.simulation.sidecar import NewStore
from tests.simulation.store import Reply, SimulatedStore


class Unconfirmed(SimulatedStore):
    """Every renewal is "confirmed" at once, unread: the key as it was last seen, in the renewal's own term."""

    _key: LockKey | None = None
    _header: Header | None = None

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        answer = await super().claim(lock, lease_id, identity, with_queue=with_queue, member=member)
        self._key = answer.mine
        return answer

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        renewal = await super().renew(lease_id, timeout_seconds)
        self._header = renewal.header
        return renewal

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        if self._header is None or self._key is None:
            return await super().confirm(mine)
        return self._header, self._key


class DeadlineFromAnswer(SimulatedStore):
    """Deadlines are counted from when the answer arrived."""

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        renewal = await super().renew(lease_id, timeout_seconds)
        return replace(renewal, sent_at=self.host.clock.now())


class LateAnswers(SimulatedStore):
    """A keepalive attempt that was given up leaves its stream open: its late answer passes for the next one's."""

    def __init__(self, etcd: SimulatedEtcd, host: Host, attempt_seconds: float) -> None:
        super().__init__(etcd, host, attempt_seconds)
        self._waiting: Callable[[Reply[Any]], bool] | None = None
        self._unread: list[Reply[Any]] = []

    def _attempt_begins(self, settle: Callable[[Reply[Any]], bool]) -> None:
        self._waiting = settle
        if self._unread:
            settle(self._unread.pop(0))

    def _comes_late(self, reply: Reply[Any], stream: int | None) -> None:
        if stream is not None and not (self._waiting and self._waiting(reply)):
            self._unread.append(reply)


BREAKS: dict[str, NewStore] = {
    "unconfirmed": Unconfirmed,
    "deadline-from-answer": DeadlineFromAnswer,
    "late-answers": LateAnswers,
}
