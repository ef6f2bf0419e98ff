"""What a candidate asks of etcd, and what may happen to it: frozen values, nothing else."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.election.lease import Renewal
from sidecar.election.past import Leadership, Probe
from sidecar.election.queue import Header, LockKey, QueueView
from sidecar.election.verdict import Reason


class Phase(StrEnum):
    """Where a candidate stands with etcd. What the outside sees is ``State``, which depends on the time as well."""

    CONNECTING = "connecting"  # there is no session
    CLAIMING = "claiming"  # my key is to be put
    WAITING = "waiting"  # my key stands in the queue
    LEADING = "leading"  # a read showed my key first
    DRAINING = "draining"  # leads no more, and keeps the key until the workload has finished
    PASSING_ON = "passing_on"  # the keys before the chosen candidate's are to be deleted, mine with them
    RELEASING = "releasing"  # the key under my name is to be deleted
    STANDING_OUT = "standing_out"  # has no key and wants none
    STOPPED = "stopped"


# === Questions to etcd


@dataclass(frozen=True, slots=True)
class Claim:
    """Put my key unless it is there. Answered by ``Claimed``."""

    with_queue: bool


@dataclass(frozen=True, slots=True)
class Look:
    """Read the queue. Answered by ``Looked``."""

    revision: int | None


@dataclass(frozen=True, slots=True)
class Confirm:
    """Read my own key; with it, if it is still the one, ``record`` this leadership. Answered by ``Confirmed``."""

    record: Leadership | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Delete the key under my name if its create revision is this one. Answered by ``Released``.

    ``marked``: and note that this leadership ended on purpose.
    """

    revision: int
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """Read the whole queue and who in it is a sidecar. Answered by ``Surveyed``."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Delete all of ``gone``, if they and all of ``kept`` have these create revisions. Answered by ``Shifted``.

    ``marked``: the first of ``gone`` is my key, and its leadership ends on purpose.
    """

    kept: tuple[LockKey, ...]
    gone: tuple[LockKey, ...]
    marked: bool = False


@dataclass(frozen=True, slots=True)
class RenewNow:
    """The last renewal could not be confirmed: renew the lease at once. Answered by ``Renewed``, when it succeeds."""


@dataclass(frozen=True, slots=True)
class ProbeLease:
    """Ask, a little later, how long the leader's lease has left, whatever else is out.

    Answered by ``Probed``, or not at all.
    """

    lease_id: int
    in_seconds: float = 0.0


Question = Claim | Look | Confirm | Release | Survey | Shift
Effect = Question | RenewNow | ProbeLease


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is out, and the last renewal that had been answered before it was asked."""

    question: Question
    renewal: Renewal | None


# === Events


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """There is a fresh lease, or (``resumed``) an earlier run's, renewed just now."""

    renewal: Renewal
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Renewed:
    """A keepalive was answered, with time left."""

    renewal: Renewal


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The lease is gone, or its history is."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Probed:
    probe: Probe


@dataclass(frozen=True, slots=True)
class Claimed:
    header: Header
    mine: LockKey
    view: QueueView | None


@dataclass(frozen=True, slots=True)
class Looked:
    view: QueueView


@dataclass(frozen=True, slots=True)
class Confirmed:
    """``recorded``: whether the leadership was recorded with it, as far as it ever can be."""

    header: Header
    mine: LockKey | None
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """The key under my name is gone, by this delete or before it."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """``queue`` are the candidates in order, ``sidecars`` the lease ids (hex) of those that are sidecars."""

    queue: tuple[LockKey, ...]
    sidecars: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shifted:
    """``done``: whether the keys were as supposed, and so were deleted."""

    done: bool


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The question that is out failed; whether it took effect is unknown."""


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """A watched key changed, at ``revision``; ``key`` is None when it was deleted."""

    name: str
    revision: int
    key: LockKey | None


@dataclass(frozen=True, slots=True)
class WatchBroke:
    """The watch on this key ended."""

    name: str


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """Wall time gained more than the margin on our clock: the machine may have stood still unseen."""


@dataclass(frozen=True, slots=True)
class StepDown:
    """Give the lead (or the place in the queue) up; ``then`` is where to go once the key is released."""

    reason: Reason
    then: Phase


@dataclass(frozen=True, slots=True)
class StandIn:
    """The reason to stand out is over: stand in line again."""


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """Give the lead up to ``heir``, a candidate that waits; without a lead to give up it means nothing.

    ``shifts`` are what there is to ask for by a read made just now; without them the queue is read after the drain.
    """

    heir: LockKey
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The workload has finished: the key may be released, or passed on."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event = (
    SessionOpened
    | Renewed
    | SessionLost
    | Probed
    | Claimed
    | Looked
    | Confirmed
    | Released
    | Surveyed
    | Shifted
    | Unanswered
    | KeyChanged
    | WatchBroke
    | ClockJumped
    | StepDown
    | StandIn
    | TransferRequested
    | Finished
    | Tick
)
