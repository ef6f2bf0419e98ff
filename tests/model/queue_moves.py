"""Everything that can happen next in the queue's world: what goes right by itself, and the faults that are spent."""

from collections.abc import Iterator
from typing import NamedTuple

from sidecar.election.candidate import Candidate
from sidecar.election.events import (
    Claim,
    Claimed,
    Confirmed,
    Finished,
    Looked,
    Phase,
    Release,
    Renewed,
    SessionLost,
    SessionOpened,
    Shift,
    StandIn,
    StepDown,
    TransferRequested,
    Unanswered,
    WatchBroke,
)
from sidecar.election.lease import Renewal
from sidecar.election.queue import LockKey, in_order, key_name
from sidecar.election.resume import Owner, key_is_lost, place_of
from sidecar.election.transfer import shifts
from sidecar.election.verdict import Reason
from tests.model.queue_etcd import LEASES_EACH, Etcd
from tests.model.queue_world import (
    LOCK,
    SOON,
    TTL,
    Late,
    Seat,
    Sent,
    World,
    feed,
    lapse,
    open_session,
    renew,
    serve,
    tick,
    wait_out,
)

OWNER = Owner(LOCK, "", "", "", int(TTL))
FRESH = Seat(Candidate(LOCK))


class Move(NamedTuple):
    name: str
    world: World


KINDS = frozenset(
    {
        "lost",
        "lost answer",
        "late",
        "late renewal",
        "lapse",
        "watch",
        "resign",
        "hold",
        "unhealthy",
        "transfer",
        "terminate",
        "delete",
        "overwrite",
        "term",
        "restart",
    }
)
EARLY = "early"
"""Of faults: a request lost, its answer lost, served when nobody waits for it; a keepalive's answer late; a TTL during
which a machine stands still; a watch that ends; a lead given up, or passed on to any other; a hold that closes, so
that nothing is waited for; a workload that is unhealthy for a while; a process told to end; a key deleted or moved to
no lease by hand; another leader of etcd's; a process that dies and comes back, and resumes its place where it may.

``EARLY`` is for worlds that note who leads, and comes once that is noted: the leader of etcd's that was ends a lease
which is in use."""


class Limits(NamedTuple):
    """How many faults a path may have, in all and of each kind, and which."""

    in_all: int
    each: int = 1
    kinds: frozenset[str] = KINDS


def moves(world: World, limits: Limits) -> Iterator[Move]:
    """Every world that can follow; what goes right by itself first."""
    yield from natural(world)
    if len(world.faults) < limits.in_all:
        for name, kind, after in _faults(world):
            if kind in limits.kinds and world.faults.count(kind) < limits.each:
                faults = tuple(sorted((*world.faults, kind)))
                yield Move(name, tidied(after._replace(faults=faults)))


def natural(world: World) -> Iterator[Move]:
    """What happens without any fault."""
    for place in range(len(world.seats)):
        for what, after in _of_seat(world, place):
            yield Move(f"{place} {what}", tidied(after))
    for late in world.late:
        etcd, _ = serve(world.etcd, late.question, late.lease_id)
        left = tuple(other for other in world.late if other is not late)
        yield Move(f"late {late.question} of {late.lease_id:x}", tidied(_pushed(world, etcd)._replace(late=left)))
    for lease_id in sorted(world.etcd.leases - {seat.lease_id for seat in world.seats}):
        yield Move(f"lease {lease_id:x} of an earlier run ends", tidied(_pushed(world, world.etcd.end_lease(lease_id))))
    for key in world.etcd.keys:
        owner = world.seats[_place(key.name)]
        if key.lease_id == 0 and key.name != key_name(LOCK, owner.lease_id):
            yield Move(f"somebody tidies {key.name} up", tidied(_pushed(world, world.etcd.delete(key.name))))


def _of_seat(world: World, place: int) -> Iterator[tuple[str, World]]:
    yield from _of_question(world, place)
    yield from _of_watches(world, place)
    yield from _of_lease(world, place)
    seat, etcd = world.seats[place], world.etcd
    if seat.candidate.phase is Phase.DRAINING:
        yield "has finished", _seated(world, place, feed(etcd, seat, Finished()))
    if seat.candidate.held_until > 0 and seat.candidate.asked is None:
        yield "has waited", world._replace(seats=wait_out(etcd, world.seats, place))
    if Phase.STANDING_OUT in (seat.candidate.phase, seat.candidate.then):
        yield "is healthy again", _seated(world, place, feed(etcd, seat, StandIn()))
    if seat.candidate.asked is None and seat.candidate.ask_at == SOON:
        yield "tries again", _seated(world, place, tick(etcd, seat))


def _of_question(world: World, place: int) -> Iterator[tuple[str, World]]:
    seat, etcd = world.seats[place], world.etcd
    if seat.sent is None:
        return
    if seat.sent.answer is not None:
        event = seat.sent.answer
        yield f"hears {type(event).__name__}", _seated(world, place, feed(etcd, seat._replace(sent=None), event))
    elif not _out_of_turn(world, place):
        after, answer = serve(etcd, seat.sent.question, seat.sent.lease_id)
        served = seat._replace(sent=seat.sent._replace(answer=answer))
        yield f"is served {seat.sent.question}", _pushed(_seated(world, place, served), after)


def _of_watches(world: World, place: int) -> Iterator[tuple[str, World]]:
    seat, etcd = world.seats[place], world.etcd
    for number, (name, events) in enumerate(seat.watches):
        if events:
            rest = (*seat.watches[:number], (name, events[1:]), *seat.watches[number + 1 :])
            yield f"sees {events[0]}", _seated(world, place, feed(etcd, seat._replace(watches=rest), events[0]))


def _of_lease(world: World, place: int) -> Iterator[tuple[str, World]]:
    seat, etcd = world.seats[place], world.etcd
    candidate = seat.candidate
    if candidate.phase is Phase.CONNECTING:
        after, opened = open_session(etcd, seat, place)
        yield "gets a lease", _pushed(_seated(world, place, opened), after)
    elif seat.lease_id in etcd.leases:
        assert candidate.renewal is not None
        aged = candidate.renewal.sent_at < 0 or candidate.renewal.header.raft_term != etcd.term
        if seat.wants_renewal or aged:
            renewed = feed(etcd, seat._replace(served_age=0.0, late_renewal=None), Renewed(renew(etcd, seat)))
            yield "renews", _seated(world, place, renewed)
        if seat.served_age <= -TTL or candidate.phase is Phase.STOPPED:
            yield "loses its lease", _pushed(world, etcd.end_lease(seat.lease_id))
    elif seat.lease_id and candidate.phase is not Phase.STOPPED:
        yield "hears that its lease is gone", _seated(world, place, feed(etcd, seat, SessionLost(Reason.LEASE_LOST)))
    if seat.late_renewal is not None:
        late = feed(etcd, seat._replace(late_renewal=None), Renewed(seat.late_renewal))
        yield "hears of a renewal late", _seated(world, place, late)


def _faults(world: World) -> Iterator[tuple[str, str, World]]:
    """What may go wrong: what it is called here, its kind, and the world then."""
    for place, seat in enumerate(world.seats):
        for what, kind, after in _faults_of(world, place, seat):
            yield f"{place} {what}", kind, after
    for key in world.etcd.keys:
        yield f"somebody deletes {key.name}", "delete", _pushed(world, world.etcd.delete(key.name))
        if key.lease_id:
            yield f"somebody overwrites {key.name}", "overwrite", _pushed(world, world.etcd.put(key.name, 0))
    yield "etcd elects", "term", world._replace(etcd=world.etcd.elect())
    first, last = world.etcd.first, world.etcd.past.last
    noted = world.etcd.noting and first is not None and last is not None and last.token == first.create_revision
    for lease_id in sorted(world.etcd.leases) if noted else ():
        yield f"etcd ends {lease_id:x} early", EARLY, _pushed(world, world.etcd.elect().end_lease(lease_id))


def _faults_of(world: World, place: int, seat: Seat) -> Iterator[tuple[str, str, World]]:
    etcd, candidate = world.etcd, seat.candidate
    if seat.sent is not None:
        failed = feed(etcd, seat._replace(sent=None), Unanswered())
        kind = "lost" if seat.sent.answer is None else "lost answer"
        yield f"gets no answer to {seat.sent.question}", kind, _seated(world, place, failed)
        if seat.sent.answer is None and isinstance(seat.sent.question, Claim | Release | Shift):
            late = Late(seat.sent.question, seat.sent.lease_id)
            gone = _seated(world, place, failed)._replace(late=(*world.late, late))
            yield f"gives {seat.sent.question} up, which is late", "late", gone
    for name, _ in seat.watches:
        left = tuple(watch for watch in seat.watches if watch[0] != name)
        broken = feed(etcd, seat._replace(watches=left), WatchBroke(name))
        yield f"loses its watch on {name}", "watch", _seated(world, place, broken)
    if seat.lease_id in etcd.leases and seat.served_age > -TTL:
        yield "stands still for a TTL", "lapse", _seated(world, place, lapse(seat))
        if seat.late_renewal is None:
            renewed = seat._replace(late_renewal=renew(etcd, seat), served_age=0.0)
            yield "renews, and will hear of it late", "late renewal", _seated(world, place, renewed)
    if candidate.phase in (Phase.LEADING, Phase.WAITING, Phase.CLAIMING):
        leaves = feed(etcd, seat, StepDown(Reason.TERMINATED, Phase.STOPPED))
        yield "is terminated", "terminate", _seated(world, place, leaves)
        unhealthy = feed(etcd, seat, StepDown(Reason.UNHEALTHY, Phase.STANDING_OUT))
        yield "is unhealthy", "unhealthy", _seated(world, place, unhealthy)
    if candidate.phase is Phase.LEADING:
        ended = feed(etcd, feed(etcd, seat, StepDown(Reason.HOLD_CLOSED, Phase.CLAIMING)), Finished())
        yield "has its hold closed", "hold", _seated(world, place, ended)
    yield "dies and comes back", "restart", _restarted(world, place)
    if seat.leads:
        resigns = feed(etcd, seat, StepDown(Reason.RESIGNED, Phase.CLAIMING))
        yield "resigns", "resign", _seated(world, place, resigns)
        yield from _transfers_of(world, place, seat)


def _restarted(world: World, place: int) -> World:
    """What it had sent may be served yet; what it was sent is lost. By the rules of the production core it resumes."""
    seat, etcd = world.seats[place], world.etcd
    late = world.late
    if seat.sent is not None and seat.sent.answer is None and isinstance(seat.sent.question, Claim | Release | Shift):
        late = (*late, Late(seat.sent.question, seat.sent.lease_id))
    left = place_of(seat.candidate, OWNER)
    if left is not None and left.lease_id in etcd.leases and key_is_lost(left, etcd.key(left.key)) is None:
        opened = feed(etcd, FRESH, SessionOpened(Renewal(left.lease_id, TTL, 0.0, etcd.header)))
    else:
        etcd, opened = open_session(etcd, FRESH, place)
    return _pushed(_seated(world, place, opened), etcd)._replace(late=late)


def _transfers_of(world: World, place: int, seat: Seat) -> Iterator[tuple[str, str, World]]:
    etcd = world.etcd
    for heir in etcd.keys:
        if heir.name != seat.candidate.name:
            for how, plan in (("", ()), (" as planned", _plan(etcd, seat, heir))):
                transfers = feed(etcd, seat, TransferRequested(heir, plan))
                yield f"is to pass on to {heir.name}{how}", "transfer", _seated(world, place, transfers)


def _plan(etcd: Etcd, seat: Seat, heir: LockKey) -> tuple[Shift, ...]:
    queue, _ = in_order(LOCK, etcd.keys)
    mine = (key_name(LOCK, seat.lease_id), seat.candidate.revision)
    return shifts(LOCK, queue, {key.name.rpartition("/")[2] for key in queue}, mine, heir)


def _out_of_turn(world: World, place: int) -> bool:
    """Candidates are alike: whoever claims first is called 0, and so on. (The search need not see them renamed.)"""
    return any(
        world.seats[lower].candidate.phase is Phase.CLAIMING and world.etcd.revision < lower + 2
        for lower in range(place)
    )


def tidied(world: World) -> World:
    """Without the changes that no watch can ask for: one begins after some answer that is yet to be heard."""
    unheard = [
        revision for seat in world.seats if seat.sent is not None and (revision := _revision(seat.sent)) is not None
    ]
    return world._replace(etcd=world.etcd.forget(min(unheard, default=world.etcd.revision)))


def _revision(sent: Sent) -> int | None:
    match sent.answer:
        case Looked(view=view):
            return view.header.revision
        case Claimed(header=header) | Confirmed(header=header):
            return header.revision
        case _:
            return None


def _seated(world: World, place: int, seat: Seat) -> World:
    return world._replace(seats=(*world.seats[:place], seat, *world.seats[place + 1 :]))


def _pushed(world: World, etcd: Etcd) -> World:
    """etcd has changed: each running watch is sent what concerns it."""
    fresh = etcd.log[len(world.etcd.log) :]
    if not fresh:
        return world._replace(etcd=etcd)
    seats = tuple(
        seat._replace(
            watches=tuple(
                (name, (*events, *(event for event in fresh if event.name == name))) for name, events in seat.watches
            )
        )
        for seat in world.seats
    )
    return world._replace(etcd=etcd, seats=seats)


def _place(name: str) -> int:
    return int(name.rpartition("/")[2], 16) // LEASES_EACH - 1
