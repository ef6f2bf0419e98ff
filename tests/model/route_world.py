"""A small world in which the route's production decisions run: one slice on an API server, sidecars, a slow network.

As in ``label_world``: reads are one move, so are a decision and the sending of its write, and the acceptance of a write
and the arrival of its answer. A write may be accepted with its answer lost, or be held up, to arrive at any later time,
more than once, or never. Here a sidecar may also go on believing that it leads after another has won (``overlaps``):
a pause or a clock that breaks the assumptions. That is what tokens are for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from sidecar.election.label import Failure, Look
from sidecar.election.route import (
    CheckMine,
    Hold,
    Known,
    ReadSlices,
    ReadTarget,
    Rest,
    Standing,
    Step,
    Write,
    at_once,
    failed,
    learned_mine,
    learned_slices,
    learned_target,
    learned_write,
    may_serve,
    next_step,
    overtaken,
    retry,
)
from sidecar.election.route_scheme import Endpoint, Family, Port, Slice, Target, names
from tests.model.label_search import Violation

NAMES = "abcd"
_V4 = Family.IPV4


class Budget(NamedTuple):
    """How often each thing may still happen. ``lost``: an answer is lost, a write held up or overtaken; ``repeats``: a
    held-up write arrives and stays under way; ``deaths``: a sidecar dies, for good or to start again; ``overlaps``:
    somebody wins while another still believes that it leads; ``news``: the Service's ports change; ``rollbacks``:
    etcd's history goes back."""

    elections: int
    lost: int = 0
    repeats: int = 0
    deaths: int = 0
    overlaps: int = 0
    news: int = 0
    rollbacks: int = 0

    def less(self, what: str) -> "Budget":
        return self._replace(**{what: getattr(self, what) - 1})


class Sidecar(NamedTuple):
    """``belief`` is the token by which it believes to lead. ``under_way``: a write sent that has not arrived."""

    known: Known
    belief: int | None
    keeps: bool
    under_way: Write | None
    alive: bool


class Held(NamedTuple):
    """A write of sidecar ``sender`` that its sender counts as lost."""

    sender: int
    write: Write


class World(NamedTuple):
    """``leader`` is the index of the sidecar whose key is first, -1 for none; ``token`` that of the last election.

    ``highest`` is the highest token of a slice that was accepted. ``winners`` sidecars have won before: they are the
    first ones, for every run is one of these under other names.
    """

    slice: Slice
    sidecars: tuple[Sidecar, ...]
    held: frozenset[Held]
    leader: int
    token: int
    highest: int
    port: int
    winners: int
    rolled_back: bool
    budget: Budget


class Move(NamedTuple):
    what: str
    world: World
    fault: bool


@dataclass(frozen=True, slots=True)
class Laws:
    """What holds in a world. The first two are for showing that the search can find something.

    ``accounts``: a sidecar knows when a slice may name it (the write of a run that died is beyond its knowledge).
    """

    ignore_versions: bool = False
    ignore_tokens: bool = False
    accounts: bool = True


def first_world(sidecars: int, budget: Budget, *, started: bool) -> World:
    """No slice yet; ``started``: the sidecars have seen that, and read Service and pod."""
    known = [Known(f"uid-{name}") for name in NAMES[:sidecars]]
    if started:
        none = tuple(Slice(family) for family in Family)
        known = [
            replace(each, slices=none, target=_target_of(index, 1), starting=False) for index, each in enumerate(known)
        ]
    fresh = tuple(Sidecar(each, None, False, None, True) for each in known)
    return World(Slice(_V4), fresh, frozenset(), -1, 0, 0, 1, 0, False, budget)


def moves(laws: Laws, world: World) -> Iterator[Move]:
    """Everything that can happen next. Raises ``Violation`` when one of them breaks the promise."""
    if laws.accounts:
        _hold_to_account(world)
    yield from _elections(world)
    for index, sidecar in enumerate(world.sidecars):
        if sidecar.alive:
            yield from _own_moves(laws, world, index)
            yield from _endings(world, index)
            yield from _deaths(world, index)
    for held in world.held:
        yield from _arrivals(laws, world, held)
    if world.budget.news:
        yield Move("the ports change", world._replace(port=world.port + 1, budget=world.budget.less("news")), True)


def is_settled(world: World) -> bool:
    """Nothing is under way, and the slice says what the verdicts of all living sidecars say."""
    if world.held or any(sidecar.under_way or sidecar.keeps for sidecar in world.sidecars):
        return False
    for index, sidecar in enumerate(world.sidecars):
        named = names(world.slice, sidecar.known.uid)
        if index != world.leader and (sidecar.belief is not None or (sidecar.alive and named)):
            return False
    target = _target(world, world.leader)
    return world.leader < 0 or (
        world.slice.token == world.token
        and world.slice.endpoints == (target.endpoint(_V4),)
        and world.slice.ports == target.ports
    )


def _elections(world: World) -> Iterator[Move]:
    overlaps = world.leader >= 0
    if world.budget.elections and (not overlaps or world.budget.overlaps):
        token, budget = world.token + 1, world.budget.less("elections")
        budget = budget.less("overlaps") if overlaps else budget
        for index, sidecar in enumerate(world.sidecars[: world.winners + 1]):
            if sidecar.alive and index != world.leader:
                winners = max(world.winners, index + 1)
                won = _with(world, index, sidecar._replace(belief=token, keeps=False))
                won = won._replace(leader=index, token=token, winners=winners, budget=budget)
                yield Move(f"{NAMES[index]} wins with token {token}", won, True)
    if world.leader < 0 and world.budget.rollbacks and all(each.belief is None for each in world.sidecars):
        back = world._replace(token=0, rolled_back=True, budget=world.budget.less("rollbacks"))
        yield Move("etcd goes back", back, True)


def _endings(world: World, index: int) -> Iterator[Move]:
    """How a leadership, and what is left of it, ends."""
    sidecar, name = world.sidecars[index], NAMES[index]
    if sidecar.keeps:
        yield Move(f"{name}'s grace is over", _with(world, index, sidecar._replace(keeps=False)), False)
    if sidecar.belief is None:
        return
    leads = world.leader == index
    ended = world._replace(leader=-1) if leads else world
    lost = _with(ended, index, sidecar._replace(belief=None))
    yield Move(f"{name} {'loses the lead' if leads else 'notices that it leads no more'}", lost, leads)
    if leads:
        yield Move(f"{name} gives the lead up", _with(ended, index, sidecar._replace(belief=None, keeps=True)), True)


def _own_moves(laws: Laws, world: World, index: int) -> Iterator[Move]:
    sidecar = world.sidecars[index]
    standing = Standing(sidecar.belief, sidecar.keeps)
    if sidecar.under_way is not None:
        yield from _write_moves(laws, world, index, sidecar.under_way)
        urgent = at_once(sidecar.known, standing, sidecar.under_way)
        if urgent is not None and world.budget.lost:
            known = overtaken(sidecar.known, sidecar.under_way)
            later = _hold(world, index)._replace(budget=world.budget.less("lost"))
            yield Move(f"{NAMES[index]} overtakes with {_say(urgent)}", _sent(later, index, known, urgent), True)
        return
    known, step = _decide(laws, sidecar.known, standing, Look.NOT_YET)
    yield from _carry_out(world, index, known, step)
    if isinstance(step, Rest):
        yield from _carry_out(world, index, *_decide(laws, known, standing, Look.CAREFUL))
        for move in _carry_out(world, index, *_decide(laws, known, standing, Look.RESYNC)):
            # A look at what has not changed leads nowhere, as often as it is done.
            yield move._replace(fault=move.fault or not _is_behind(world, known))


def _carry_out(world: World, index: int, known: Known, step: Step) -> Iterator[Move]:
    name = NAMES[index]
    match step:
        case Write():
            yield Move(f"{name} sends {_say(step)}", _sent(world, index, known, step), False)
        case ReadSlices():
            found = (world.slice,) if world.slice.version else ()
            after = learned_slices(known, step, found, ())
            yield Move(f"{name} reads the slice", _knows(world, index, after), False)
            if step.cached:
                after = learned_slices(known, step, (), ())
                yield Move(f"{name} reads a cache that shows none", _knows(world, index, after), True)
        case ReadTarget():
            after = learned_target(known, _target(world, index))
            yield Move(f"{name} reads Service and pod", _knows(world, index, after), False)
        case CheckMine():
            mine = world.leader == index and world.token == step.token
            yield Move(
                f"{name} looks at its lock key", _knows(world, index, learned_mine(known, step, mine=mine)), False
            )
        case Hold():
            yield Move(f"{name} tries again", _knows(world, index, retry(known)), False)


def _write_moves(laws: Laws, world: World, index: int, write: Write) -> Iterator[Move]:
    name, known = NAMES[index], world.sidecars[index].known
    after, answer = _accept(laws, world, write)
    then = failed(known, write, answer) if isinstance(answer, Failure) else learned_write(known, answer)
    result = answer if isinstance(answer, Failure) else "accepted"
    yield Move(f"{name}: {_say(write)} answered: {result}", _knows(after, index, then), False)
    if world.budget.lost:
        budget = world.budget.less("lost")
        unknown = failed(known, write, Failure.LOST)
        lost = _knows(after, index, unknown)._replace(budget=budget)
        yield Move(f"{name}: {_say(write)} arrives, its answer is lost", lost, True)
        delayed = _knows(_hold(world, index), index, unknown)._replace(budget=budget)
        yield Move(f"{name}: {_say(write)} is held up and counts as lost", delayed, True)


def _arrivals(laws: Laws, world: World, held: Held) -> Iterator[Move]:
    after, answer = _accept(laws, world, held.write)
    what = f"{NAMES[held.sender]}'s late {_say(held.write)} arrives"
    result = answer if isinstance(answer, Failure) else "accepted"
    yield Move(f"{what}: {result}", after._replace(held=after.held - {held}), False)
    if world.budget.repeats and not isinstance(answer, Failure):
        yield Move(f"{what}, and will again", after._replace(budget=world.budget.less("repeats")), True)


def _deaths(world: World, index: int) -> Iterator[Move]:
    if not world.budget.deaths:
        return
    less = _hold(world, index)._replace(budget=world.budget.less("deaths"))
    if world.leader == index:
        less = less._replace(leader=-1)
    name, again = NAMES[index], Sidecar(Known(world.sidecars[index].known.uid), None, False, None, True)
    yield Move(f"{name} dies and starts again", _with(less, index, again), True)
    yield Move(f"{name} dies", _with(less, index, again._replace(alive=False)), True)


# The API server -------------------------------------------------------------------------------------------------------


def _accept(laws: Laws, world: World, write: Write) -> tuple[World, Slice | Failure]:
    """What the API server makes of a write that arrives."""
    before = world.slice
    if before.version != write.slice.version and not laws.ignore_versions:
        return world, Failure.CONFLICT
    new = replace(write.by, version=before.version)
    if new == before:
        return world, before
    lower = (new.endpoints and new.token < world.highest) or new.token < before.token
    if lower and not world.rolled_back:  # tokens of two histories cannot be compared
        raise Violation(f"{_say(write)} is accepted after token {world.highest}")
    new = replace(new, version=_fresh(world))
    return world._replace(slice=new, highest=max(world.highest, new.token)), new


def _hold_to_account(world: World) -> None:
    for index, sidecar in enumerate(world.sidecars):
        known = sidecar.known
        if not sidecar.alive or not names(world.slice, known.uid) or sidecar.belief is not None:
            continue
        sent = sidecar.under_way is not None and sidecar.under_way.names_me
        if not sent and known.slices is not None and not may_serve(known):
            raise Violation(f"{NAMES[index]} does not know that the slice names it")


def _fresh(world: World) -> str:
    """The lowest version that neither the API server nor anybody's memory has."""
    used = {world.slice.version} | {held.write.slice.version for held in world.held}
    for sidecar in world.sidecars:
        used |= {each.version for each in sidecar.known.slices or ()} | {version for _, version in sidecar.known.doubts}
        if sidecar.under_way is not None:
            used.add(sidecar.under_way.slice.version)
    return next(str(number) for number in range(1, 100) if str(number) not in used)


# Small things ---------------------------------------------------------------------------------------------------------


@cache
def _decide(laws: Laws, known: Known, standing: Standing, look: Look) -> tuple[Known, Step]:
    if laws.ignore_tokens and known.slices is not None and standing.token is not None:
        blind = (replace(each, token=min(each.token, standing.token)) for each in known.slices)
        known = replace(known, slices=tuple(blind))
    return known, next_step(known, standing, look=look)


@cache
def _target_of(index: int, port: int) -> Target:
    name = NAMES[index]
    endpoint = Endpoint(f"10.0.0.{index + 1}", name, f"uid-{name}", "")
    return Target("uid-s", ((_V4, endpoint),), (Port("", "TCP", port),))


def _is_behind(world: World, known: Known) -> bool:
    ports = known.target.ports if known.target is not None else ()
    return world.slice not in (known.slices or ()) or any(port.number != world.port for port in ports)


def _target(world: World, index: int) -> Target:
    return _target_of(index, world.port)


def _with(world: World, index: int, sidecar: Sidecar) -> World:
    return world._replace(sidecars=(*world.sidecars[:index], sidecar, *world.sidecars[index + 1 :]))


def _sent(world: World, index: int, known: Known, write: Write) -> World:
    return _with(world, index, world.sidecars[index]._replace(known=known, under_way=write))


def _knows(world: World, index: int, known: Known) -> World:
    return _with(world, index, world.sidecars[index]._replace(known=known, under_way=None))


def _hold(world: World, index: int) -> World:
    """The write under way, if any, goes on without its sender."""
    write = world.sidecars[index].under_way
    if write is None:
        return world
    world = _with(world, index, world.sidecars[index]._replace(under_way=None))
    return world._replace(held=world.held | {Held(index, write)})


def _say(write: Write) -> str:
    who = write.by.endpoints[0].pod if write.by.endpoints else "nobody"
    return f"{who} with {write.by.token} on @{write.slice.version or 'none'}"
