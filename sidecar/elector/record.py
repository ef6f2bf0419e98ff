"""What is told of an election: one version for each change that others may see, the history, and the metrics."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.election.queue import candidate_name, lease_hex
from sidecar.election.verdict import Reason, State, Transition, View
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)

HISTORY_LENGTH = 100
TELL_AFTER_SECONDS = 0.002
"""Readers are told of a lead that goes when the questions to etcd are on their way: the next leader waits for those."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The part of a view whose change makes a new version."""

    is_leader: bool
    leader: str | None
    leader_id: str | None
    token: int | None
    at_risk: bool
    state: State


class Record:
    """Compares the candidate with what was last told, and tells the difference."""

    def __init__(self, election: str, identity: str, *, metrics: Metrics, now: float, wall: float) -> None:
        self._election, self._identity, self._metrics = election, identity, metrics
        self._instance = secrets.token_hex(4)
        self._counter = 1
        self._seen: _Seen | None = None
        self._since, self._since_wall = now, wall
        self._transitions: deque[Transition] = deque(maxlen=HISTORY_LENGTH)
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[Transition], None]] = []

    def listen(self, listener: Callable[[Transition], None]) -> None:
        self._listeners.append(listener)

    @property
    def version(self) -> str:
        return f"{self._instance}.{self._counter}"

    def history(self) -> Sequence[Transition]:
        """The last transitions, newest first."""
        return tuple(reversed(self._transitions))

    async def changed(self, version: str) -> None:
        """Return once the version is another than ``version``."""
        while self.version == version:
            await self._changed.wait()

    def note(self, candidate: Candidate, now: float, wall: float) -> View:
        """Take the candidate as it is at ``now``; the view of it, with its version."""
        seen = self._see(candidate, now)
        before, self._seen = self._seen, seen
        if before is not None and before != seen:
            self._counter += 1
            asyncio.get_running_loop().call_later(0 if seen.is_leader else TELL_AFTER_SECONDS, self._wake)
        if before is not None and before.state is not seen.state:
            self._move(before, seen, candidate, now, wall)
        renewal = candidate.renewal
        return View(
            election=self._election,
            name=self._identity,
            id=f"{renewal.lease_id:x}" if renewal else "",
            is_leader=seen.is_leader,
            leader=seen.leader,
            leader_id=seen.leader_id,
            token=seen.token,
            valid_until=candidate.valid_until if seen.is_leader else None,
            at_risk=seen.at_risk,
            since_seconds=self._since_wall,
            state=seen.state,
            position=candidate.position,
            version=self.version,
        )

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _see(self, candidate: Candidate, now: float) -> _Seen:
        leads = candidate.leads(now)
        leader = candidate.first
        if candidate.is_first and not leads:
            leader = None  # my key is first, and I may not say that I lead
        return _Seen(
            is_leader=leads,
            leader=self._identity if leads else (candidate_name(candidate.lock, leader) if leader else None),
            leader_id=lease_hex(candidate.lock, leader.name) if leader else None,
            token=candidate.revision if leads else None,
            at_risk=candidate.at_risk(now),
            state=candidate.state(now),
        )

    def _move(self, before: _Seen, seen: _Seen, candidate: Candidate, now: float, wall: float) -> None:
        reason = why(before.state, seen.state, candidate.reason)
        token = seen.token or before.token or (candidate.revision if candidate.phase is Phase.LEADING else None)
        transition = Transition(wall, before.state, seen.state, reason, token, max(0.0, now - self._since))
        self._transitions.append(transition)
        self._since, self._since_wall = now, wall
        if reason is not None:
            self._metrics.transitions.labels(self._election, reason).inc()
        if reason is Reason.ELECTED and candidate.ahead_gone_at is not None:
            self._metrics.handover.labels(self._election).observe(now - candidate.ahead_gone_at)
        log.log(
            logging.WARNING if reason in _UNWANTED else logging.INFO,
            "%s -> %s",
            before.state,
            seen.state,
            extra={"election": self._election, "reason": reason, "token": token},
        )
        for listener in self._listeners:
            listener(transition)


_UNWANTED = {Reason.EXPIRED, Reason.LEASE_LOST, Reason.KEY_LOST, Reason.HISTORY, Reason.POD_GONE}


def why(before: State, after: State, ended: Reason | None) -> Reason | None:
    """The reason of a transition: a leadership's beginning and end have one. ``ended`` is why the core ended it."""
    if after is State.LEADING:
        return Reason.REGAINED if before is State.UNCONFIRMED else Reason.ELECTED
    if before is State.LEADING and after is State.UNCONFIRMED:
        return Reason.EXPIRED
    return ended if before in (State.LEADING, State.UNCONFIRMED) else None
