"""What is said to the outside: the names of states and reasons, and one view of an election at one instant."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    CONNECTING = "connecting"
    WAITING = "waiting"
    LEADING = "leading"
    UNCONFIRMED = "unconfirmed"
    DRAINING = "draining"
    STANDING_OUT = "standing_out"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why a leadership began or ended."""

    ELECTED = "elected"
    REGAINED = "regained"
    RESIGNED = "resigned"
    TRANSFERRED = "transferred"
    TERMINATED = "terminated"
    EXPIRED = "expired"
    LEASE_LOST = "lease_lost"
    KEY_LOST = "key_lost"
    HISTORY = "history"
    UNHEALTHY = "unhealthy"
    HOLD_CLOSED = "hold_closed"
    POD_GONE = "pod_gone"


@dataclass(frozen=True, slots=True)
class View:
    """An election as this pod sees it, computed for one instant of ``CLOCK_BOOTTIME``.

    ``name`` and ``id`` are this pod and its lease (hex, empty without one); ``leader`` and ``leader_id`` whoever
    leads, None when unknown. ``token`` and ``valid_until`` (CLOCK_BOOTTIME seconds, not capped by the promise) are None
    on a follower. ``since_seconds`` is wall time, seconds since the epoch, at which this state began. ``position`` is
    of the last read, 1 the first. ``version`` moves with is_leader, leader, leader_id, token, at_risk and state.
    """

    election: str
    name: str
    id: str
    is_leader: bool
    leader: str | None
    leader_id: str | None
    token: int | None
    valid_until: float | None
    at_risk: bool
    since_seconds: float
    state: State
    position: int | None
    version: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, at ``at_seconds`` of wall time; ``from_state`` had lasted ``duration_seconds``."""

    at_seconds: float
    from_state: State
    to_state: State
    reason: Reason | None
    token: int | None
    duration_seconds: float
