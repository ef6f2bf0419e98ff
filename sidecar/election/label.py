"""The pod label: what is to be done next, given the verdict and what the API server last said.

Pure and deterministic. ``next_step`` decides, the reconciler carries the step out and hands the answer to ``learned_*``
or ``failed``; only answers change what is known. One step is under way at a time; only ``at_once`` may overtake it.

Rule: winning is four steps, and each is needed (exhaustive search in ``tests/model`` shows both).

1. My own pod says ``electing``, with my token, accepted by the API server as version V.
2. After that, a consistent list of the pods that say ``leader`` or ``electing``.
3. A higher token among them: stop. Otherwise each of them is set to ``follower``, with my token, all accepted.
4. My own pod says ``leader``, if it still is at version V.

Whoever wins later finds me in step 2 and moves my version on, so that what I still have in flight fails; whoever won
earlier and is still at it finds me, with the higher token, or has been stripped by me.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from sidecar.election.label_scheme import (
    LEADING,
    Pod,
    Role,
    Scheme,
    bears_lead,
    is_foreign,
    is_right,
    token_to_beat,
)

# Steps ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadOwn:
    """Read my own pod; ``cached``: the API server's cache will do, which may be stale."""

    cached: bool


@dataclass(frozen=True, slots=True)
class WriteOwn:
    """Make my own pod, as last seen, say ``role``. ``token``: a number sets it, 0 removes it, None leaves it."""

    pod: Pod
    role: Role
    token: int | None


@dataclass(frozen=True, slots=True)
class ListPeers:
    """List who says ``leader`` or ``electing``; from the cache (and with the user's label) only for the resync."""

    cached: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Take the leader's labels off a peer, as last seen, with my token."""

    pod: Pod
    token: int


@dataclass(frozen=True, slots=True)
class CheckMine:
    """A peer bears a higher token: read my lock key, linearizably. Do I still lead?"""

    peer: Pod


@dataclass(frozen=True, slots=True)
class Hold:
    """A peer bears a higher token: back off, then ``retry``. ``alarm``: I still lead, so history went back."""

    peer: Pod
    alarm: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """Peers were stripped a moment ago: wait, so that the EndpointSlice controller sees that first."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The label says what the verdict says: wait for the verdict to change, or for the next look."""


@dataclass(frozen=True, slots=True)
class Leave:
    """My pod is gone, and one of its name may be running elsewhere: write nothing more, do not campaign."""


Call = ReadOwn | WriteOwn | ListPeers | Strip | CheckMine
Step = Call | Hold | Settle | Rest | Leave


class Look(Enum):
    """What the clock asks for: nothing yet, the slow resync, or a careful look for writes that land late."""

    NOT_YET = "not_yet"
    RESYNC = "resync"
    CAREFUL = "careful"


class Failure(StrEnum):
    """How a call can fail. All but LOST say for certain that a write did not take effect."""

    LOST = "lost"
    CONFLICT = "conflict"
    GONE = "gone"
    REFUSED = "refused"


# What is known --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What answers of the API server have told so far.

    ``uid`` is my pod's. ``own`` is my pod as last seen, None when it must be read. ``peers`` are those of the last list
    that still bear the lead, None when there is nothing to go by; while electing, that list was made after ``own`` was
    accepted. ``relist``: what a list showed did not hold, list again, consistently. ``stripped``: a peer that is not
    terminating lost its label in this round. ``mine``: what the last look at my lock key said about a higher token.
    ``starting``: nothing is known of my pod yet, so a leading label is a previous run's. ``may_lead``: my label says
    ``leader``, or a write of mine that is not accounted for may make it so. ``foreign``: names of pods that bear the
    user's label without being in the election. ``gone``: my pod is.
    """

    uid: str
    own: Pod | None = None
    peers: tuple[Pod, ...] | None = None
    relist: bool = False
    stripped: bool = False
    mine: bool | None = None
    starting: bool = True
    may_lead: bool = False
    foreign: tuple[str, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the decisions depend on and never changes. ``native``: the workload ends before the lock goes."""

    scheme: Scheme
    native: bool


# Deciding -------------------------------------------------------------------------------------------------------------


def next_step(rules: Rules, known: Known, token: int | None, *, settled: bool, look: Look) -> Step:
    """What is to be done next. ``token`` is the verdict: mine while I lead, else None.

    ``settled``: the settling time since the last strip has passed. ``look``: what the clock asks for.
    """
    if known.gone:
        return Leave()
    if known.own is None:
        return ReadOwn(cached=False)
    if token is None:
        return _follow(rules, known, known.own, look)
    return _lead(rules, known, known.own, token, settled=settled, look=look)


def at_once(known: Known, token: int | None, under_way: Step) -> WriteOwn | None:
    """The write that need not wait for the call under way: I lead no more, and my label must not say so.

    It may overtake, since both carry the same version and only one of them can be accepted. The overtaken call counts
    as lost, whatever it answers.
    """
    own = known.own
    if token is not None or known.gone or own is None or own.role not in LEADING:
        return None
    if isinstance(under_way, WriteOwn) and under_way.role is Role.FOLLOWER:
        return None
    return WriteOwn(own, Role.FOLLOWER, None)


def in_sync(rules: Rules, known: Known, token: int | None) -> bool:
    """Whether my label is known to say what the verdict says, and nobody else's is known to stand against it."""
    if known.own is None or known.gone:
        return False
    if token is None:
        return is_right(rules.scheme, known.own, Role.FOLLOWER, 0)
    return is_right(rules.scheme, known.own, Role.LEADER, token) and not known.peers and not known.relist


def _follow(rules: Rules, known: Known, own: Pod, look: Look) -> Step:
    if known.starting and own.role in LEADING:
        return WriteOwn(own, Role.FOLLOWER, 0)
    if not is_right(rules.scheme, own, Role.FOLLOWER, 0):
        return WriteOwn(own, Role.FOLLOWER, None)
    return _look(look, resync=ReadOwn(cached=True))


def _lead(rules: Rules, known: Known, own: Pod, token: int, *, settled: bool, look: Look) -> Step:
    if max(own.token, own.extra_token) > token:
        return WriteOwn(own, Role.FOLLOWER, 0)
    if is_right(rules.scheme, own, Role.LEADER, token):
        return _keep(rules, known, token, look)
    if not is_right(rules.scheme, own, Role.ELECTING, token):
        return WriteOwn(own, Role.ELECTING, token)
    if known.peers is None:
        return ListPeers(cached=False)
    higher = _higher(rules, known, token)
    if higher is not None:
        return higher
    for peer in known.peers:
        if not _waits_for_label(rules, peer):
            return Strip(peer, token)
    if known.stripped and not settled:
        return Settle()
    return WriteOwn(own, Role.LEADER, token)


def _keep(rules: Rules, known: Known, token: int, look: Look) -> Step:
    if known.relist:
        return ListPeers(cached=False)
    if known.peers:
        return _higher(rules, known, token) or Strip(known.peers[0], token)
    return _look(look, resync=ListPeers(cached=True))


def _look(look: Look, resync: ReadOwn | ListPeers) -> ReadOwn | ListPeers | Rest:
    match look:
        case Look.CAREFUL:
            return ReadOwn(cached=False)
        case Look.RESYNC:
            return resync
        case Look.NOT_YET:
            return Rest()


def _higher(rules: Rules, known: Known, token: int) -> CheckMine | Hold | None:
    for peer in known.peers or ():
        if token_to_beat(rules.scheme, peer) > token:
            return CheckMine(peer) if known.mine is None else Hold(peer, alarm=known.mine)
    return None


def _waits_for_label(rules: Rules, peer: Pod) -> bool:
    """A terminating leader in native form serves until I do: off and on within a second costs a second of refusals."""
    return rules.native and peer.terminating and peer.role == Role.LEADER


# Learning -------------------------------------------------------------------------------------------------------------


def learned_own(known: Known, step: ReadOwn | WriteOwn, pod: Pod) -> Known:
    """The API server answered with my pod: read, or written as ``step`` asked."""
    if known.uid and pod.uid != known.uid:
        # The cache may still show an earlier pod of my name: only a consistent read proves that mine is gone.
        return _unread(known) if _is_cached(step) else replace(_unread(known), gone=True)
    wrote_label = isinstance(step, WriteOwn) and step.role is Role.LEADER
    changed = pod != known.own
    return replace(
        known,
        uid=pod.uid,
        own=pod,
        peers=(known.peers or None) if wrote_label else known.peers if not changed else None,
        # Whoever reads that it leads, and did not just write it, cannot vouch for what was stripped.
        relist=pod.role == Role.LEADER and (known.relist or (changed and not wrote_label)),
        stripped=known.stripped and pod.role == Role.ELECTING,
        starting=known.starting and isinstance(step, ReadOwn) and pod.role in LEADING,
        # Electing does not clear it: a lost write of ``leader`` that carries this very version may still land.
        may_lead=pod.role == Role.LEADER or (known.may_lead and pod.role == Role.ELECTING),
    )


def learned_peers(rules: Rules, known: Known, step: ListPeers, pods: tuple[Pod, ...]) -> Known:
    """The API server answered with a list."""
    own = known.own
    if own is None:
        return known
    peers = tuple(pod for pod in pods if pod.uid != known.uid and bears_lead(rules.scheme, pod))
    known = replace(
        known,
        foreign=tuple(pod.name for pod in pods if is_foreign(pod)) if step.cached else known.foreign,
        relist=False,
        mine=None,
    )
    if own.role != Role.LEADER:
        # The cache may lack a label put on a moment ago: nobody is elected by it.
        return replace(known, peers=None if step.cached else peers)
    if not any(pod.uid == known.uid and pod.role == Role.LEADER for pod in pods):
        return _unread(known)
    return replace(known, peers=peers or None)


def learned_strip(known: Known, step: Strip) -> Known:
    """A peer's label is off."""
    known = replace(known, stripped=_must_settle(known, step))
    if known.peers is None:
        return known
    rest = tuple(peer for peer in known.peers if peer.uid != step.pod.uid)
    leads = known.own is not None and known.own.role == Role.LEADER
    return replace(known, peers=None if leads and not rest else rest)


def learned_mine(known: Known, *, mine: bool) -> Known:
    """A linearizable read showed whether my lock key is still mine and first."""
    return replace(known, mine=mine)


def failed(known: Known, step: Call, failure: Failure) -> Known:
    """A call failed: what rested on it must be read again."""
    match step:
        case WriteOwn():
            maybe = failure is Failure.LOST and step.role is Role.LEADER
            return replace(_unread(known), may_lead=known.may_lead or maybe)
        case ReadOwn() if failure is Failure.GONE:
            return _unread(known) if step.cached else replace(_unread(known), gone=True)
        case Strip():
            return replace(known, peers=None, relist=True, stripped=_must_settle(known, step))
        case CheckMine():
            return replace(known, mine=False)
        case _:
            return known


def overtaken(known: Known, step: Step) -> Known:
    """``at_once`` went ahead of this call, which counts as lost; what is known of my pod stays, to write upon."""
    may_lead = known.may_lead or (isinstance(step, WriteOwn) and step.role is Role.LEADER)
    return replace(known, peers=None, may_lead=may_lead)


def retry(known: Known) -> Known:
    """A hold is over: look again at who bears the higher token."""
    return replace(known, peers=None, relist=True, mine=None)


def unauthorized(known: Known) -> Known:
    """The token of my pod is refused, persistently: my pod is gone."""
    return replace(_unread(known), gone=True)


def _unread(known: Known) -> Known:
    return replace(known, own=None, peers=None)


def _must_settle(known: Known, step: Strip) -> bool:
    return known.stripped or not step.pod.terminating


def _is_cached(step: ReadOwn | WriteOwn) -> bool:
    return isinstance(step, ReadOwn) and step.cached
