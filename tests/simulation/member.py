"""One etcd server of the simulated cluster, and what can be the matter with it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    UP = "up"
    DOWN = "down"  # its port refuses
    FROZEN = "frozen"  # a stopped process: what is sent to it waits
    ISOLATED = "isolated"  # cut off from the other members, and knows it
    STALE = "stale"  # was the leader; its disk is stuck and it does not know that it was replaced


@dataclass
class Member:
    """``expiries`` and ``ttls`` are a stale leader's own lessor, by lease id; it acknowledges until ``acks_until``."""

    place: int
    member_id: int
    mode: Mode = Mode.UP
    since: float = 0.0
    term: int = 2
    revision: int = 1
    acks_until: float = 0.0
    expiries: dict[int, float] = field(default_factory=dict)
    ttls: dict[int, int] = field(default_factory=dict)

    def acknowledge(self, lease_id: int, now: float) -> int | None:
        """A stale leader's answer to a keepalive: the TTL, 0 for a lease it does not know, None for no answer."""
        if now >= self.acks_until:
            return None
        expires_at = self.expiries.get(lease_id)
        if expires_at is None:
            return 0
        if expires_at <= now:
            return None
        self.expiries[lease_id] = now + self.ttls[lease_id]
        return self.ttls[lease_id]
