"""The queue as a small world to be searched whole: a tiny etcd and candidates that are the production core itself.

Nothing here decides anything about the election: every state of a candidate comes out of ``sidecar.election.step``.
Time is each candidate's own and is kept relative: ``now`` is always 0, and a lapse moves everything it remembers a TTL
into the past. etcd may end a lease only when that much has passed for its owner since the last renewal it served.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from sidecar.election.candidate import NEVER, Candidate
from sidecar.election.events import (
    Claim,
    Claimed,
    Confirm,
    Confirmed,
    Event,
    KeyChanged,
    Look,
    Looked,
    Phase,
    ProbeLease,
    Question,
    Release,
    Released,
    Renewed,
    RenewNow,
    SessionOpened,
    Shift,
    Shifted,
    Survey,
    Surveyed,
    Tick,
    Unanswered,
)
from sidecar.election.lease import Renewal
from sidecar.election.margin import margin_seconds
from sidecar.election.past import NO_PAST
from sidecar.election.queue import Header, LockKey, QueueView, in_order, key_name
from sidecar.election.transitions import step
from tests.model.queue_etcd import Etcd, since

LOCK = "N"
TTL = 10.0
SOON, LATER = 1.0, 60.0
"""What a candidate that waits for a retry, or for its next regular read, is reduced to."""


class Sent(NamedTuple):
    """A question on its way, by the session it was asked in; ``answer`` once etcd has served it."""

    question: Question
    lease_id: int
    answer: Event | None


class Seat(NamedTuple):
    """One candidate and its driver. ``served_age`` is when etcd last renewed its lease, in its own time (<= 0)."""

    candidate: Candidate
    sent: Sent | None = None
    late_renewal: Renewal | None = None
    wants_renewal: bool = False
    served_age: float = 0.0
    watches: tuple[tuple[str, tuple[KeyChanged, ...]], ...] = ()

    @property
    def lease_id(self) -> int:
        """Of its session; 0 without one."""
        return self.candidate.renewal.lease_id if self.candidate.renewal else 0

    @property
    def leads(self) -> bool:
        return self.candidate.leads(0.0)


@dataclass(frozen=True, slots=True)
class Late:
    """A request that its sender has given up, and that etcd may serve yet."""

    question: Question
    lease_id: int


class World(NamedTuple):
    """``late`` are requests nobody waits for; ``faults`` counts what has been spent of each kind."""

    etcd: Etcd
    seats: tuple[Seat, ...]
    late: tuple[Late, ...] = ()
    faults: tuple[str, ...] = ()


def start(candidates: int, *, noting: bool = False) -> World:
    """Everybody has a session, and its claim is on its way."""
    etcd, seats = Etcd(noting=noting), []
    for number in range(candidates):
        etcd, seat = open_session(etcd, Seat(Candidate(LOCK)), number)
        seats.append(seat)
    return World(etcd, tuple(seats))


# === What etcd does


@cache
def serve(etcd: Etcd, question: Question, lease_id: int) -> tuple[Etcd, Event]:
    """Carry a question out: etcd as it is then, and the answer. Without the lease a claim fails."""
    name = key_name(LOCK, lease_id)
    match question:
        case Claim():
            if lease_id not in etcd.leases:
                return etcd, Unanswered()
            etcd = etcd if etcd.key(name) else etcd.put(name, lease_id)
            mine = etcd.key(name)
            assert mine is not None
            return etcd, Claimed(etcd.header, mine, view(etcd, name, mine.create_revision))
        case Look(revision=revision):
            return etcd, Looked(view(etcd, name, revision))
        case Confirm(record=record):
            key = etcd.key(name)
            if record is not None and key and key.create_revision == record.token:
                etcd = etcd.record(record)
            return etcd, Confirmed(etcd.header, key, recorded=record is not None)
        case Release():
            return _released(etcd, name, question), Released()
        case Survey():
            queue, _ = in_order(LOCK, etcd.keys)
            return etcd, Surveyed(tuple(queue), frozenset(key.name.rpartition("/")[2] for key in queue))
        case Shift():
            return _shifted(etcd, question)


def _released(etcd: Etcd, name: str, question: Release) -> Etcd:
    key = etcd.key(name)
    if key is None or key.create_revision != question.revision:
        return etcd
    return etcd.delete(name).mark(key.create_revision if question.marked else None)


def _shifted(etcd: Etcd, question: Shift) -> tuple[Etcd, Shifted]:
    kept, gone = question.kept, question.gone
    found = {(key.name, key.create_revision) for key in etcd.keys}
    if not found.issuperset((key.name, key.create_revision) for key in (*kept, *gone)):
        return etcd, Shifted(done=False)
    deleted = etcd.delete(*(key.name for key in gone))
    return deleted.mark(gone[0].create_revision if question.marked else None), Shifted(done=True)


def view(etcd: Etcd, mine: str, revision: int | None) -> QueueView:
    ordered, _ = in_order(LOCK, etcd.keys)
    ahead = [key for key in ordered if revision is not None and key.create_revision < revision]
    return QueueView(
        header=etcd.header,
        first=ordered[0] if ordered else None,
        mine=etcd.key(mine),
        ahead=ahead[-1] if ahead else None,
        count=len(ordered),
        past=etcd.past,
    )


def renew(etcd: Etcd, seat: Seat) -> Renewal:
    return Renewal(seat.lease_id, TTL, 0.0, Header(1, 1, 0, etcd.term))


def open_session(etcd: Etcd, seat: Seat, number: int) -> tuple[Etcd, Seat]:
    """A fresh lease; its id says whose it is."""
    lease_id = etcd.next_lease(number)
    etcd = etcd.grant(lease_id)
    renewal = Renewal(lease_id, TTL, 0.0, etcd.header)
    return etcd, feed(etcd, seat._replace(served_age=0.0, late_renewal=None), SessionOpened(renewal))


# === What a candidate's driver does


def feed(etcd: Etcd, seat: Seat, event: Event) -> Seat:
    """Step the production core, send what it asks, and keep the watches it wants."""
    return _fed(etcd.log, seat, event)


@cache
def _fed(log: tuple[KeyChanged, ...], seat: Seat, event: Event) -> Seat:
    candidate, effects = step(seat.candidate, event, 0.0, 0.5)
    seat = seat._replace(candidate=_reduced(candidate))
    if not seat.lease_id:
        seat = seat._replace(wants_renewal=False)
    for effect in effects:
        if isinstance(effect, RenewNow):
            seat = seat._replace(wants_renewal=True)
        elif not isinstance(effect, ProbeLease):  # a probe only ever shortens a wait
            assert seat.sent is None, f"a second question while one is out: {effect}"
            seat = seat._replace(sent=Sent(effect, seat.lease_id, None))
    if isinstance(event, Renewed):
        seat = seat._replace(wants_renewal=False)
    return _watching(log, seat)


def tick(etcd: Etcd, seat: Seat) -> Seat:
    """The time of a retry has come."""
    return feed(etcd, seat._replace(candidate=replace(seat.candidate, ask_at=0.0)), Tick())


def lapse(seat: Seat) -> Seat:
    """A TTL passes on this candidate's machine, which does nothing meanwhile."""
    candidate = seat.candidate
    return seat._replace(
        candidate=_reduced(
            replace(
                candidate,
                valid_until=candidate.valid_until - TTL,
                ended=tuple(replace(end, noticed_at=end.noticed_at - TTL) for end in candidate.ended),
                held_until=candidate.held_until - TTL,
                renewal=_older(candidate.renewal),
                asked=candidate.asked and replace(candidate.asked, renewal=_older(candidate.asked.renewal)),
            )
        ),
        late_renewal=_older(seat.late_renewal),
        served_age=-TTL,
    )


def wait_out(etcd: Etcd, seats: tuple[Seat, ...], place: int) -> tuple[Seat, ...]:
    """The time passes that one who stands first waits for, and for the others as well."""
    waited = TTL + margin_seconds(TTL)
    after = [lapse(seat) for seat in seats]
    candidate = seats[place].candidate
    ended = tuple(replace(end, noticed_at=end.noticed_at - waited) for end in candidate.ended)
    after[place] = tick(etcd, seats[place]._replace(candidate=replace(candidate, ended=ended, held_until=-NEVER)))
    return tuple(after)


def _older(renewal: Renewal | None) -> Renewal | None:
    return renewal and replace(renewal, sent_at=-TTL)


def _watching(log: tuple[KeyChanged, ...], seat: Seat) -> Seat:
    """Watches not wanted any more end, new ones begin at their revision, running ones go on."""
    running = dict(seat.watches)
    wanted = seat.candidate.watches()
    kept = {name: events for name, events in running.items() if name in wanted}
    for name, from_revision in wanted.items():
        if name not in kept:
            assert from_revision > 0, f"{name} would be watched from where an older watch of it began"
            kept[name] = since(log, name, from_revision)
    return seat._replace(watches=tuple(sorted(kept.items())), candidate=_all_running(seat.candidate))


def _all_running(candidate: Candidate) -> Candidate:
    """From where a watch began no longer matters once it runs."""
    return replace(
        candidate,
        own_from=None if candidate.own_from is None else 0,
        ahead_from=None if candidate.ahead_from is None else 0,
        first_from=None if candidate.first_from is None else 0,
    )


def _reduced(candidate: Candidate) -> Candidate:
    """Without what no decision depends on, so that states that are the same for the election are one state."""
    return replace(
        candidate,
        reason=None,
        valid_until=candidate.valid_until if candidate.valid_until > 0 else -NEVER,
        confirmed_at=-NEVER,
        position=None,
        failures=0,
        ahead_gone_at=None,
        passed_to=None,
        past=NO_PAST,
        probe=None,
        ended=tuple(replace(end, noticed_at=max(end.noticed_at, -2 * TTL)) for end in candidate.ended),
        held_until=candidate.held_until if candidate.held_until > 0 else -NEVER,
        planned_at=-NEVER if candidate.heir is None else 0.0,
        renewal=candidate.renewal and _without_revision(candidate.renewal),
        asked=candidate.asked
        and replace(candidate.asked, renewal=candidate.asked.renewal and _without_revision(candidate.asked.renewal)),
        ask_at=_due(candidate),
    )


def _without_revision(renewal: Renewal) -> Renewal:
    return replace(renewal, header=replace(renewal.header, revision=0))


def _due(candidate: Candidate) -> float:
    if candidate.asked is None and candidate.question() is None:
        return NEVER
    if candidate.ask_at <= 0:
        return 0.0
    if candidate.ask_at == NEVER:
        return NEVER
    return SOON if candidate.ask_at < 2 * SOON else LATER


def phases(world: World) -> list[Phase]:
    return [seat.candidate.phase for seat in world.seats]


def own_key(world: World, seat: Seat) -> LockKey | None:
    """The key by which this candidate believes to stand in the queue, if it is there and still so."""
    key = world.etcd.key(key_name(LOCK, seat.lease_id))
    return key if key and (key.create_revision, key.lease_id) == (seat.candidate.revision, seat.lease_id) else None


def forget_answers() -> None:
    """Ask the core anew from now on."""
    _fed.cache_clear()
