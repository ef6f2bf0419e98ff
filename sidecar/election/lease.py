"""Lease arithmetic: how long an answer of etcd may be believed, counted from when the request was *sent*."""

from dataclasses import dataclass

from sidecar.election.margin import margin_seconds
from sidecar.election.queue import Header

RENEWALS_PER_TTL = 3


@dataclass(frozen=True, slots=True)
class Renewal:
    """One answered keepalive (or grant). ``ttl_seconds`` is what etcd granted; 0 or less: the lease is gone."""

    lease_id: int
    ttl_seconds: float
    sent_at: float
    header: Header

    @property
    def valid_until(self) -> float:
        """Until when this renewal carries a leadership, once a linearizable read has confirmed it."""
        return self.sent_at + self.ttl_seconds - margin_seconds(self.ttl_seconds)


def renew_every_seconds(ttl_seconds: float) -> float:
    return ttl_seconds / RENEWALS_PER_TTL


def attempt_seconds(ttl_seconds: float) -> float:
    """Deadline of one attempt at etcd: past it the stream or call is given up and the next endpoint tried."""
    return min(3.0, max(0.25, ttl_seconds / 8))
