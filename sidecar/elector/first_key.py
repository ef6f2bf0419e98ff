"""What the reads of the queue show of its first key and of keys that do not belong there, told to people."""

import logging

from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)


class FirstKey:
    def __init__(self, election: str, metrics: Metrics) -> None:
        self._election, self._metrics = election, metrics
        self._mine_since: float | None = None
        self._mine_until = 0.0
        self._without_lease = False
        self._ignored: tuple[str, ...] = ()

        self._held_until = 0.0

    def mine_for_seconds(self) -> float:
        """How long reads have shown my key first while I neither lead nor leave; 0 when they do not."""
        return 0.0 if self._mine_since is None else self._mine_until - self._mine_since

    def note(self, candidate: Candidate, now: float) -> None:
        """Take what the candidate knows after a fresh read of the queue, or after it moved on."""
        if candidate.is_first and candidate.phase is Phase.WAITING and not candidate.holds_off(now):
            self._mine_since = now if self._mine_since is None else self._mine_since
            self._mine_until = now
        else:
            self._mine_since = None
        self._tell_hold_off(candidate, now)
        first = candidate.first
        without_lease = first is not None and first.lease_id == 0
        if first is not None and without_lease and not self._without_lease:
            log.error("the first key has no lease: nobody can win until it is deleted: %s", first.name)
        if candidate.ignored and candidate.ignored != self._ignored:
            log.warning("keys below the lock that no candidate can have: %s", ", ".join(candidate.ignored))
        self._without_lease, self._ignored = without_lease, candidate.ignored
        self._metrics.keys_without_lease.labels(self._election).set(without_lease)
        self._metrics.keys_ignored.labels(self._election).set(len(candidate.ignored))

    def _tell_hold_off(self, candidate: Candidate, now: float) -> None:
        holds_off = candidate.holds_off(now)
        if holds_off and candidate.held_until != self._held_until:
            log.warning(
                "the lead before was not given up and may still be believed: this pod leads in %.1f s",
                candidate.held_until - now,
                extra={"election": self._election},
            )
            self._held_until = candidate.held_until
        self._metrics.holding_off.labels(self._election).set(holds_off)
