"""A small world in which the label's production decisions run: pods on an API server, sidecars, a slow network.

Each sidecar decides and learns by ``sidecar.election.label`` alone. Reads are one move; so are a decision and the
sending of its write, and the acceptance of a write and the arrival of its answer (a sidecar that is paused in between
is one that makes its next move late). A write may be accepted with its answer lost, or be held up in the network, to
arrive at any later time, more than once, or never.

Versions are names without order, as for the production code: a write takes the lowest one that nobody remembers.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from sidecar.election.label import (
    CheckMine,
    Failure,
    Hold,
    Known,
    ListPeers,
    Look,
    ReadOwn,
    Rest,
    Rules,
    Step,
    Strip,
    WriteOwn,
    at_once,
    failed,
    learned_mine,
    learned_own,
    learned_peers,
    learned_strip,
    next_step,
    overtaken,
    retry,
)
from sidecar.election.label_scheme import (
    ANNOTATION_SUFFIX,
    LEADING,
    ExtraLabel,
    Pod,
    Role,
    Scheme,
    bears_lead,
    own_changes,
    read_pod,
    strip_changes,
)
from tests.model.label_search import Violation

Write = WriteOwn | Strip

PLAIN = Scheme("leader-sidecar/e", None)
WITH_ROLE = Scheme("leader-sidecar/e", ExtraLabel("role", "primary", "replica"))
NAMES = "abcd"


class Budget(NamedTuple):
    """How often each thing may still happen. ``lost``: an answer is lost or a write held up; ``repeats``: a held-up
    write arrives and stays under way; ``deaths``: a sidecar dies, for good or to start again; ``news``: kubelet writes
    to a pod; ``endings``: a pod starts to terminate; ``rebirths``: a pod is replaced by one of its name."""

    elections: int
    lost: int = 0
    repeats: int = 0
    deaths: int = 0
    news: int = 0
    endings: int = 0
    rebirths: int = 0
    rollbacks: int = 0

    def less(self, what: str) -> "Budget":
        return self._replace(**{what: getattr(self, what) - 1})


class Sidecar(NamedTuple):
    """``under_way``: a write that was sent and has not arrived."""

    known: Known
    under_way: Write | None
    alive: bool


class Held(NamedTuple):
    """A write of sidecar ``sender`` that its sender counts as lost."""

    sender: int
    write: Write


class World(NamedTuple):
    """``leader`` is the index of the sidecar whose verdict is on, -1 for none; ``token`` that of the last election.

    ``winners`` sidecars have won before: they are the first ones, for every run is one of these under other names.
    """

    pods: tuple[Pod, ...]
    sidecars: tuple[Sidecar, ...]
    held: frozenset[Held]
    leader: int
    token: int
    winners: int
    budget: Budget


class Move(NamedTuple):
    """One thing that can happen. ``fault``: it need not happen for the label to become right."""

    what: str
    world: World
    fault: bool


@dataclass(frozen=True, slots=True)
class Laws:
    """What holds in a world. The last two are for showing that the search can find something."""

    native: bool = False
    policy: bool = True
    scheme: Scheme = PLAIN
    skip_electing: bool = False
    ignore_versions: bool = False

    @property
    def rules(self) -> Rules:
        return Rules(self.scheme, self.native)


def first_world(scheme: Scheme, sidecars: int, budget: Budget, *, labelled: bool) -> World:
    """New pods; ``labelled``: their sidecars have found them, and put ``follower`` on them."""
    pods = [_pod(name, uid=f"{name}0") for name in NAMES[:sidecars]]
    known = [Known(pod.uid) for pod in pods]
    if labelled:
        extra = scheme.extra.follower if scheme.extra else ""
        pods = [replace(pod, role=Role.FOLLOWER, extra=extra) for pod in pods]
        known = [replace(before, own=pod, starting=False) for before, pod in zip(known, pods, strict=True)]
    return World(tuple(pods), tuple(Sidecar(each, None, True) for each in known), frozenset(), -1, 0, 0, budget)


def moves(laws: Laws, world: World) -> Iterator[Move]:
    """Everything that can happen next. Raises ``Violation`` when one of them breaks promise 3."""
    yield from _elections(world)
    for index, sidecar in enumerate(world.sidecars):
        if sidecar.alive:
            yield from _own_moves(laws, world, index)
            yield from _deaths(world, index)
    for held in world.held:
        yield from _arrivals(laws, world, held)
    for index in range(len(world.pods)):
        yield from _cluster_moves(world, index)


def is_settled(world: World) -> bool:
    """Nothing is under way, and the labels of all living sidecars say what the verdict says."""
    if world.held or any(sidecar.under_way for sidecar in world.sidecars):
        return False
    for index, (pod, sidecar) in enumerate(zip(world.pods, world.sidecars, strict=True)):
        if index == world.leader:
            if pod.role != Role.LEADER or pod.token != world.token:
                return False
        elif pod.role == Role.LEADER and (sidecar.alive or world.leader >= 0):
            return False
    return True


def _elections(world: World) -> Iterator[Move]:
    if world.leader >= 0:
        yield Move(f"{NAMES[world.leader]} leads no more", world._replace(leader=-1), True)
    if world.leader < 0 and world.budget.elections:
        token, budget = world.token + 1, world.budget.less("elections")
        for index, sidecar in enumerate(world.sidecars[: world.winners + 1]):
            if sidecar.alive:
                winners = max(world.winners, index + 1)
                won = world._replace(leader=index, token=token, winners=winners, budget=budget)
                yield Move(f"{NAMES[index]} wins with token {token}", won, True)
    if world.leader < 0 and world.budget.rollbacks:
        yield Move("etcd goes back", world._replace(token=0, budget=world.budget.less("rollbacks")), True)


def _own_moves(laws: Laws, world: World, index: int) -> Iterator[Move]:
    sidecar = world.sidecars[index]
    token = world.token if world.leader == index else None
    if sidecar.under_way is not None:
        yield from _write_moves(laws, world, index, sidecar.under_way)
        urgent = at_once(sidecar.known, token, sidecar.under_way)
        if urgent is not None and world.budget.lost:
            known = overtaken(sidecar.known, sidecar.under_way)
            later = _hold(world, index)._replace(budget=world.budget.less("lost"))
            yield Move(f"{NAMES[index]} overtakes with {_say(urgent)}", _sent(later, index, known, urgent), True)
        return
    known, step = _decide(laws, sidecar.known, token, Look.NOT_YET)
    yield from _carry_out(laws, world, index, known, step)
    if isinstance(step, Rest):
        for look in (Look.RESYNC, Look.CAREFUL):
            yield from _carry_out(laws, world, index, *_decide(laws, sidecar.known, token, look))


def _carry_out(laws: Laws, world: World, index: int, known: Known, step: Step) -> Iterator[Move]:
    name = NAMES[index]
    match step:
        case WriteOwn() | Strip():
            yield Move(f"{name} sends {_say(step)}", _sent(world, index, known, step), False)
        case ReadOwn():
            pod = world.pods[index]
            yield Move(f"{name} reads its pod", _knows(world, index, learned_own(known, step, pod)), False)
        case ListPeers():
            pods = tuple(pod for pod in world.pods if bears_lead(laws.scheme, pod))
            after = learned_peers(laws.rules, known, step, pods)
            yield Move(f"{name} lists {[pod.name for pod in pods]}", _knows(world, index, after), False)
            if step.cached:
                after = learned_peers(laws.rules, known, step, ())
                yield Move(f"{name} lists a cache that shows nobody", _knows(world, index, after), True)
        case CheckMine():
            after = learned_mine(known, mine=world.leader == index)
            yield Move(f"{name} looks at its lock key", _knows(world, index, after), False)
        case Hold():
            yield Move(f"{name} tries again", _knows(world, index, retry(known)), False)


def _write_moves(laws: Laws, world: World, index: int, write: Write) -> Iterator[Move]:
    name, known = NAMES[index], world.sidecars[index].known
    after, answer = _accept(laws, world, index, write)
    if isinstance(answer, Failure):
        then = _knows(after, index, failed(known, write, answer))
    elif isinstance(write, Strip):
        then = _knows(after, index, learned_strip(known, write))
    else:
        then = _knows(after, index, learned_own(known, write, answer))
    yield Move(f"{name}: {_say(write)} answered: {answer if isinstance(answer, Failure) else 'accepted'}", then, False)
    if world.budget.lost:
        budget = world.budget.less("lost")
        unknown = failed(known, write, Failure.LOST)
        lost = _knows(after, index, unknown)._replace(budget=budget)
        yield Move(f"{name}: {_say(write)} arrives, its answer is lost", lost, True)
        delayed = _knows(_hold(world, index), index, unknown)._replace(budget=budget)
        yield Move(f"{name}: {_say(write)} is held up and counts as lost", delayed, True)


def _arrivals(laws: Laws, world: World, held: Held) -> Iterator[Move]:
    after, answer = _accept(laws, world, held.sender, held.write)
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
    name = NAMES[index]
    again = Sidecar(Known(world.pods[index].uid), None, True)
    yield Move(f"{name} dies and starts again", _with(less, index, again), True)
    yield Move(f"{name} dies", _with(less, index, again._replace(alive=False)), True)


def _cluster_moves(world: World, index: int) -> Iterator[Move]:
    pod, name, budget = world.pods[index], NAMES[index], world.budget
    if budget.news:
        new = replace(pod, version=_fresh(world, pod.name))
        yield Move(f"kubelet writes to {name}", _placed(world, index, new, budget.less("news")), True)
    if budget.endings and not pod.terminating:
        new = replace(pod, version=_fresh(world, pod.name), terminating=True)
        yield Move(f"pod {name} terminates", _placed(world, index, new, budget.less("endings")), True)
    if budget.rebirths:
        new = replace(_pod(name, uid=f"{name}{budget.rebirths}"), version=_fresh(world, name))
        reborn = _placed(_hold(world, index), index, new, budget.less("rebirths"))
        reborn = reborn._replace(leader=-1 if world.leader == index else world.leader)
        yield Move(f"pod {name} is replaced", _with(reborn, index, Sidecar(Known(new.uid), None, True)), True)


# The API server -------------------------------------------------------------------------------------------------------


def _accept(laws: Laws, world: World, sender: int, write: Write) -> tuple[World, Pod | Failure]:
    """What the API server makes of a write that arrives."""
    index = NAMES.index(write.pod.name)
    pod = world.pods[index]
    if pod.version != write.pod.version and not laws.ignore_versions:
        return world, Failure.CONFLICT
    if pod.uid != write.pod.uid:
        return world, Failure.GONE
    new = _patched(laws.scheme, pod, write)
    if laws.policy and not _policy_allows(laws.scheme, pod, new, itself=index == sender and pod.uid == write.pod.uid):
        return world, Failure.REFUSED
    if new == pod:
        return world, pod
    new = replace(new, version=_fresh(world, pod.name))
    if new.role == Role.LEADER or (laws.scheme.extra and new.extra == laws.scheme.extra.leader):
        _hold_to_promise(laws.scheme, world, index)
    return _placed(world, index, new, world.budget), new


def _hold_to_promise(scheme: Scheme, world: World, winner: int) -> None:
    for index, pod in enumerate(world.pods):
        leads = pod.role == Role.LEADER or (scheme.extra is not None and pod.extra == scheme.extra.leader)
        if index != winner and leads and not pod.terminating:
            raise Violation(f"{NAMES[winner]} becomes leader while {pod.name} bears the label")


def _policy_allows(scheme: Scheme, before: Pod, after: Pod, *, itself: bool) -> bool:
    """The admission policy: each label with its token."""
    fixed = _label_allowed((before.role, before.token), (after.role, after.token), LEADING, itself=itself)
    if scheme.extra is None:
        return fixed
    extra0, extra1 = (before.extra, before.extra_token), (after.extra, after.extra_token)
    return fixed and _label_allowed(extra0, extra1, {scheme.extra.leader}, itself=itself)


def _label_allowed(before: tuple[str, int], after: tuple[str, int], leads: AbstractSet[str], *, itself: bool) -> bool:
    if before == after:
        return True
    if not itself and (before[0] == after[0] or before[0] not in leads or after[0] in leads):
        return False
    if itself and after[0] not in leads:
        return True
    return after[1] >= max(before[1], 1)


@cache
def _patched(scheme: Scheme, pod: Pod, write: Write) -> Pod:
    if isinstance(write, Strip):
        changes = strip_changes(scheme, write.pod, write.token)
    else:
        changes = own_changes(scheme, write.role, write.token)
    extra = scheme.extra.key if scheme.extra else "none"
    tokens = {scheme.key: pod.token, extra: pod.extra_token}
    notes = {key + ANNOTATION_SUFFIX: str(token) for key, token in tokens.items() if token}
    for key, value in changes.annotations.items():
        notes.pop(key, None)
        if value is not None:
            notes[key] = value
    return read_pod(
        scheme,
        name=pod.name,
        uid=pod.uid,
        version=pod.version,
        labels={scheme.key: pod.role, extra: pod.extra, **changes.labels},
        annotations=notes,
        terminating=pod.terminating,
    )


def _fresh(world: World, name: str) -> str:
    """The lowest version that neither the API server nor anybody's memory has for this pod."""
    used = {pod.version for pod in world.pods if pod.name == name}
    remembered = [held.write.pod for held in world.held]
    for sidecar in world.sidecars:
        remembered += sidecar.known.peers or ()
        if sidecar.known.own is not None:
            remembered.append(sidecar.known.own)
        if sidecar.under_way is not None:
            remembered.append(sidecar.under_way.pod)
    used |= {pod.version for pod in remembered if pod.name == name}
    return next(str(number) for number in range(1, 100) if str(number) not in used)


# Small things ---------------------------------------------------------------------------------------------------------


@cache
def _decide(laws: Laws, known: Known, token: int | None, look: Look) -> tuple[Known, Step]:
    step = next_step(laws.rules, known, token, settled=True, look=look)
    while laws.skip_electing and isinstance(step, WriteOwn) and step.role is Role.ELECTING and step.token:
        known = learned_own(known, step, replace(step.pod, role=Role.ELECTING, token=step.token))
        step = next_step(laws.rules, known, token, settled=True, look=look)
    return known, step


def _pod(name: str, uid: str) -> Pod:
    return Pod(name, uid, "1", "", 0, "", 0, terminating=False)


def _with(world: World, index: int, sidecar: Sidecar) -> World:
    return world._replace(sidecars=(*world.sidecars[:index], sidecar, *world.sidecars[index + 1 :]))


def _placed(world: World, index: int, pod: Pod, budget: Budget) -> World:
    return world._replace(pods=(*world.pods[:index], pod, *world.pods[index + 1 :]), budget=budget)


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
    if isinstance(write, Strip):
        return f"strip {write.pod.name}@{write.pod.version} with {write.token}"
    token = "" if write.token is None else f" with {write.token}"
    return f"{write.role}{token} on {write.pod.name}@{write.pod.version}"
