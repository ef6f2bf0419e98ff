"""Walks every state of the queue's world, and asks of each whether it may be."""

from collections import deque
from dataclasses import dataclass, field

from sidecar.election.events import Phase
from sidecar.election.queue import key_name
from tests.model.queue_moves import Limits, moves
from tests.model.queue_world import LOCK, Seat, World, own_key, start


@dataclass
class Found:
    """``violation`` says what is wrong with the last state of ``path``; None when nothing is, anywhere."""

    states: int = 0
    violation: str | None = None
    path: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join((f"{self.states} states: {self.violation or 'no violation'}", *self.path))


def search(candidates: int, limits: Limits, *, noting: bool = False) -> Found:
    """All states within the limits, breadth first, so that a path shown is a shortest one.

    ``noting``: candidates have the right to note who leads.
    """
    beginning = start(candidates, noting=noting)
    known: dict[World, int] = {beginning: 0}
    worlds = [beginning]
    came: list[tuple[int, str]] = [(0, "")]
    before: list[list[int]] = [[]]
    queue = deque([0])
    while queue:
        at = queue.popleft()
        wrong = violation(worlds[at])
        if wrong is not None:
            return Found(len(worlds), wrong, _path(came, at))
        for move in moves(worlds[at], limits):
            to = known.get(move.world)
            if to is None:
                to = known[move.world] = len(worlds)
                worlds.append(move.world)
                came.append((at, move.name))
                before.append([])
                queue.append(to)
            if move.world.faults == worlds[at].faults:
                before[to].append(at)
    stranded = _stranded(worlds, before)
    if stranded is not None:
        return Found(len(worlds), "from here nothing but a fault leads to one leader", _path(came, stranded))
    return Found(len(worlds))


def violation(world: World) -> str | None:
    """Safety: whoever leads has the first key, unless somebody meddled and it has not heard of it yet."""
    leading = [place for place, seat in enumerate(world.seats) if seat.leads]
    for place in leading:
        seat = world.seats[place]
        key = own_key(world, seat)
        if key is not None and key != world.etcd.first:
            return f"{place} leads, and its key is not the first"
        if key is None and not _will_hear(seat):
            return f"{place} leads, its key is gone, and nothing is on its way to tell"
    if len(leading) > 1 and not {"delete", "overwrite"} & set(world.faults):
        return f"{leading} lead"
    return None


def settled(world: World) -> bool:
    """One leads and the others stand behind it, each watching the one ahead; or all have left."""
    staying = [seat for seat in world.seats if seat.candidate.phase is not Phase.STOPPED]
    if not staying:
        return True
    waiting = [seat for seat in staying if not seat.leads]
    return len(waiting) == len(staying) - 1 and all(
        seat.candidate.phase is Phase.WAITING
        and own_key(world, seat) is not None
        and seat.candidate.ahead is not None
        and world.etcd.key(seat.candidate.ahead.name) is not None
        and {seat.candidate.name, seat.candidate.ahead.name} <= {name for name, _ in seat.watches}
        for seat in waiting
    )


def _will_hear(seat: Seat) -> bool:
    """Whether its own watch has something to deliver, or is down and a read is due."""
    own = dict(seat.watches).get(key_name(LOCK, seat.lease_id))
    if own is not None:
        return bool(own)
    return seat.sent is not None or seat.candidate.ask_at < float("inf")


def _stranded(worlds: list[World], before: list[list[int]]) -> int | None:
    """The first state from which no faultless way leads to a settled one."""
    good = [settled(world) for world in worlds]
    queue = deque(at for at, reached in enumerate(good) if reached)
    while queue:
        for earlier in before[queue.popleft()]:
            if not good[earlier]:
                good[earlier] = True
                queue.append(earlier)
    return next((at for at, reached in enumerate(good) if not reached), None)


def _path(came: list[tuple[int, str]], at: int) -> list[str]:
    names = []
    while at:
        at, name = came[at]
        names.append(name)
    return names[::-1]
