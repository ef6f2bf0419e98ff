"""What one candidate in one election knows, and what that means at a given instant. ``transitions`` changes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.election.events import Asked, Claim, Confirm, Look, Phase, Question, Release, Shift, Survey
from sidecar.election.lease import Renewal
from sidecar.election.past import NO_PAST, UNKNOWN_TERM, Ended, Leadership, Past, Probe
from sidecar.election.queue import LockKey, key_name
from sidecar.election.verdict import Reason, State

NEVER = math.inf
SHORT_QUEUE = 32
"""Up to this many keys the queue is read along with the claim: etcd scans the whole prefix for a sorted range."""


# === The candidate


@dataclass(frozen=True, slots=True)
class Candidate:
    """Everything one candidate knows.

    ``renewal`` is the session's last answered one, None without a session. ``revision`` is the create revision of the
    key under my name: while I lead, the fencing token. ``valid_until`` and ``confirmed_at`` (when its request was
    sent) are of the last confirmed renewal. ``own_from``, ``ahead_from`` and ``first_from`` are the revisions from
    which those keys are watched, None while a read has to come first. ``ask_at`` is when the next question is due.
    ``heir`` is the candidate to pass the lead on to, ``shifts`` what is left to ask for that, ``planned_at`` when that
    was found, and ``passed_to`` whom the last lead was passed on to.

    ``hold_off_seconds`` is the setting. ``granted_in`` is the raft term of the session's grant, ``past`` what the last
    read told of earlier leaderships, ``ended`` the keys seen first and then gone, ``probe`` what was last heard of the
    first one's lease (``probing``: to be asked), and ``held_until`` the time before which I, though first, must not
    lead. ``led`` is the token of
    my own last leadership, ``recorded`` whether it is on record, and ``orderly`` whether it ended with the workload.
    """

    lock: str
    hold_off_seconds: float = 0.0
    phase: Phase = Phase.CONNECTING
    then: Phase = Phase.CLAIMING
    reason: Reason | None = None
    renewal: Renewal | None = None
    revision: int | None = None
    valid_until: float = -NEVER
    confirmed_at: float = -NEVER
    distrusted_before: float = -NEVER
    own_from: int | None = None
    first: LockKey | None = None
    first_from: int | None = None
    ahead: LockKey | None = None
    ahead_from: int | None = None
    count: int | None = None
    position: int | None = None
    ignored: tuple[str, ...] = ()
    asked: Asked | None = None
    ask_at: float = NEVER
    renew: bool = False
    failures: int = 0
    ahead_gone_at: float | None = None
    heir: LockKey | None = None
    shifts: tuple[Shift, ...] = ()
    planned_at: float = -NEVER
    passed_to: LockKey | None = None
    granted_in: int = UNKNOWN_TERM
    past: Past = NO_PAST
    ended: tuple[Ended, ...] = ()
    probing: bool = False
    probe: Probe | None = None
    held_until: float = -NEVER
    led: int = 0
    recorded: bool = False
    orderly: bool = False

    def leads(self, now: float) -> bool:
        """Whether this candidate leads at this instant."""
        return self.phase is Phase.LEADING and now < self.valid_until

    def at_risk(self, now: float) -> bool:
        """Leads, but no renewal was confirmed for half the TTL."""
        return self.leads(now) and self.renewal is not None and now - self.confirmed_at > self.renewal.ttl_seconds / 2

    def state(self, now: float) -> State:
        """The state as the outside sees it."""
        if self.phase is Phase.LEADING and now >= self.valid_until:
            return State.UNCONFIRMED
        return _STATES[self.phase]

    def holds_off(self, now: float) -> bool:
        """Whether I stand first, and wait for the end of the leadership before."""
        return self.phase is Phase.WAITING and self.is_first and now < self.held_until

    def _leadership(self) -> Leadership | None:
        if self.revision is None or self.renewal is None:
            return None
        return Leadership(self.revision, self.granted_in, self.renewal.ttl_seconds)

    @property
    def name(self) -> str | None:
        """The name of my key; None without a session."""
        return key_name(self.lock, self.renewal.lease_id) if self.renewal else None

    @property
    def is_first(self) -> bool:
        """Whether the last read showed my key first. It does not say that I lead."""
        return self.first is not None and self.first.name == self.name

    def watches(self) -> Mapping[str, int]:
        """The keys to watch, each from a revision on. A watch already running is simply kept."""
        wanted: dict[str, int] = {}
        if self.phase is Phase.STOPPED:
            return wanted
        if self.name and self.own_from is not None:
            wanted[self.name] = self.own_from
        for key, from_revision in ((self.ahead, self.ahead_from), (self.first, self.first_from)):
            if key is not None and from_revision is not None:
                wanted.setdefault(key.name, from_revision)
        return wanted

    def due(self, now: float) -> float:
        """When the candidate next wants a ``Tick``, at the latest; ``NEVER`` for not at all."""
        expiry = self.valid_until if self.leads(now) else NEVER
        return min(expiry, self.ask_at if self.asked is None and self.question() is not None else NEVER)

    def question(self) -> Question | None:
        """What there is to ask of etcd in this phase."""
        match self.phase:
            case Phase.CLAIMING:
                return Claim(with_queue=self.count is not None and self.count <= SHORT_QUEUE)
            case Phase.WAITING | Phase.STANDING_OUT if self.renewal:
                return Look(self.revision)
            case Phase.LEADING:
                return Confirm(None if self.recorded else self._leadership())
            case Phase.PASSING_ON:
                return self.shifts[0] if self.shifts else Survey()
            case Phase.RELEASING if self.revision is not None:
                return Release(self.revision, marked=self.orderly)
            case _:
                return None


_STATES = {
    Phase.CONNECTING: State.CONNECTING,
    Phase.CLAIMING: State.CONNECTING,
    Phase.WAITING: State.WAITING,
    Phase.LEADING: State.LEADING,
    Phase.DRAINING: State.DRAINING,
    Phase.PASSING_ON: State.DRAINING,
    Phase.RELEASING: State.DRAINING,
    Phase.STANDING_OUT: State.STANDING_OUT,
    Phase.STOPPED: State.STOPPED,
}
