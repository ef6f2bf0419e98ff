"""The route: what is to be done next with a Service's slices, given the verdict and what the API server last said.

Pure and deterministic, as ``sidecar.election.label`` is: ``next_step`` decides, the router carries the step out and
hands the answer to ``learned_*`` or ``failed``. One step is under way at a time; only ``at_once`` may overtake it.

Rule: a slice is one object, so its resourceVersion orders all writers, and three things make a route true (exhaustive
search in ``tests/model`` shows each).

1. Every write is a replacement of the slice as it was read: accepted at that version only. Whether I lead is asked
   after that read.
2. The slice's token never goes down, also while it names nobody. Whoever meets a higher one looks at the lock key: if
   that is still mine, etcd's history went back, and only then is a higher token replaced, where no other pod stands.
3. Who gives the lead up on purpose leaves its endpoint to the successor's one write, for a while; who loses it
   otherwise takes the endpoint off at once.
"""

from dataclasses import dataclass, replace

from sidecar.election.label import Failure, Look
from sidecar.election.route_scheme import Family, Slice, Target, names, names_another

# Steps ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadSlices:
    """Read all slices of the Service, with the verdict ``token``; ``cached``: a cache will do, which may be stale."""

    cached: bool
    token: int | None


@dataclass(frozen=True, slots=True)
class ReadTarget:
    """Read the Service and my own pod."""


@dataclass(frozen=True, slots=True)
class Write:
    """Replace the slice, as last seen, by another (or create it)."""

    slice: Slice
    by: Slice

    @property
    def names_me(self) -> bool:
        return bool(self.by.endpoints)


@dataclass(frozen=True, slots=True)
class CheckMine:
    """A slice bears a higher token than mine: read my lock key, linearizably. Do I still lead?"""

    slice: Slice
    token: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A slice bears a higher token: back off, then ``retry``. ``alarm``: I still lead, so history went back."""

    slice: Slice
    alarm: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """The slices say what the verdict says: wait for the verdict to change, or for the next look."""


@dataclass(frozen=True, slots=True)
class Leave:
    """My pod is gone, and one of its name may be running elsewhere: write nothing more."""


Call = ReadSlices | ReadTarget | Write | CheckMine
Step = Call | Hold | Rest | Leave


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict as the route needs it. ``token`` is mine while I lead, else None.

    ``keeps``: the lead was given up on purpose, and my endpoint is left to the successor for now.
    """

    token: int | None
    keeps: bool = False


# What is known --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What answers of the API server have told so far.

    ``uid`` is my pod's. ``slices`` has one for each family, None when they must be read; ``term`` was the verdict when
    they were. ``target`` is what my slices are to say, ``fresh``: read in this term and since the last resync.
    ``checked``: for which token my lock key was last looked at since the slices were read, and whether it was mine.
    ``starting``: nothing is known yet, so an endpoint of mine is a previous run's. ``doubts``: versions upon which a
    write that names me may still land. ``strangers``: names of slices of this Service that others keep. ``gone``: my
    pod is.
    """

    uid: str
    slices: tuple[Slice, ...] | None = None
    term: int | None = None
    target: Target | None = None
    fresh: bool = False
    checked: tuple[int, bool] | None = None
    starting: bool = True
    doubts: frozenset[tuple[Family, str]] = frozenset()
    strangers: tuple[str, ...] = ()
    gone: bool = False


# Deciding -------------------------------------------------------------------------------------------------------------


def next_step(known: Known, standing: Standing, *, look: Look) -> Step:
    """What is to be done next. ``look``: what the clock asks for."""
    if known.gone:
        return Leave()
    if known.slices is None or (standing.token is not None and standing.token != known.term):
        return ReadSlices(cached=False, token=standing.token)
    if standing.token is None:
        return _follow(known, known.slices, standing, look)
    return _lead(known, known.slices, standing.token, look)


def at_once(known: Known, standing: Standing, under_way: Step) -> Write | None:
    """The write that need not wait for the call under way: I lead no more, and no slice may send anything to me.

    It may overtake a write of mine, since both carry the same version and only one of them can be accepted. The
    overtaken call counts as lost, whatever it answers.
    """
    if standing.token is not None or standing.keeps or known.gone:
        return None
    if isinstance(under_way, Write):
        if not under_way.names_me:
            return None
        found = under_way.slice
        return Write(found, replace(under_way.by, token=max(under_way.by.token, found.token), endpoints=()))
    return next((_off(each) for each in known.slices or () if names(each, known.uid)), None)


def in_sync(known: Known, token: int | None) -> bool:
    """Whether the slices are known to say what the verdict says."""
    if known.slices is None or known.gone:
        return False
    if token is None:
        return not any(names(each, known.uid) for each in known.slices)
    target = known.target
    return (
        target is not None and bool(target.endpoints) and all(_is_right(each, target, token) for each in known.slices)
    )


def may_serve(known: Known) -> bool:
    """Whether a slice may name me: it does, or a write of mine that is not accounted for may yet do so."""
    return bool(known.doubts) or any(names(each, known.uid) for each in known.slices or ())


def _follow(known: Known, slices: tuple[Slice, ...], standing: Standing, look: Look) -> Step:
    if not standing.keeps:
        for each in slices:
            if names(each, known.uid):
                return _off(each)
    if look is Look.NOT_YET:
        # What a leader will need, read before it is one.
        return ReadTarget() if known.target is None and not standing.keeps else Rest()
    return ReadSlices(cached=look is Look.RESYNC, token=None)


def _lead(known: Known, slices: tuple[Slice, ...], token: int, look: Look) -> Step:
    target = known.target
    if target is None:
        return ReadTarget()
    for each in slices:
        if not _is_right(each, target, token):
            return _write(known, each, target, token)
    if not known.fresh:
        return ReadTarget()
    return Rest() if look is Look.NOT_YET else ReadSlices(cached=look is Look.RESYNC, token=token)


def _write(known: Known, found: Slice, target: Target, token: int) -> Step:
    if found.token > token:
        if known.checked is None or known.checked[0] != token:
            return CheckMine(found, token)
        mine = known.checked[1]
        if not mine or names_another(found, known.uid):
            return Hold(found, alarm=mine)
    return Write(found, _wanted(found, target, token))


def _is_right(found: Slice, target: Target, token: int) -> bool:
    wanted = _wanted(found, target, token)
    return found == wanted or not (found.version or wanted.endpoints)


def _wanted(found: Slice, target: Target, token: int) -> Slice:
    endpoint = target.endpoint(found.family)
    endpoints = () if endpoint is None else (endpoint,)
    return replace(found, token=token, endpoints=endpoints, ports=target.ports, owner=target.service_uid)


def _off(found: Slice) -> Write:
    return Write(found, replace(found, endpoints=()))


# Learning -------------------------------------------------------------------------------------------------------------


def learned_slices(known: Known, step: ReadSlices, found: tuple[Slice, ...], strangers: tuple[str, ...]) -> Known:
    """The API server answered with the slices of the Service: mine, by family, and the names of others'."""
    slices = tuple(next((each for each in found if each.family is family), Slice(family)) for family in Family)
    fresh = known.fresh and not step.cached and known.term == step.token
    known = replace(known, strangers=strangers, fresh=fresh)
    if step.cached:
        # The cache may be behind: what it shows otherwise is read again.
        return known if slices == known.slices else replace(known, slices=None)
    return replace(
        known,
        slices=slices,
        term=step.token,
        checked=None,
        starting=known.starting and any(names(each, known.uid) for each in slices),
        doubts=_still_in_doubt(known, slices),
    )


def learned_target(known: Known, target: Target) -> Known:
    """The API server answered with the Service and my own pod."""
    return replace(known, target=target, fresh=True)


def learned_write(known: Known, written: Slice) -> Known:
    """A write was accepted."""
    if known.slices is None:
        return known
    slices = tuple(written if each.family is written.family else each for each in known.slices)
    starting = known.starting and any(names(each, known.uid) for each in slices)
    return replace(known, slices=slices, starting=starting, doubts=_still_in_doubt(known, slices))


def learned_mine(known: Known, step: CheckMine, *, mine: bool) -> Known:
    """A linearizable read showed whether my lock key is still mine and first."""
    return replace(known, checked=(step.token, mine))


def failed(known: Known, step: Call, failure: Failure) -> Known:
    """A call failed: what rested on it must be read again."""
    match step:
        case Write():
            return replace(known, slices=None, doubts=_doubts(known, step) if failure is Failure.LOST else known.doubts)
        case ReadTarget() if failure is Failure.GONE:
            return replace(known, gone=True)
        case CheckMine():
            return replace(known, checked=(step.token, False))
        case _:
            return known


def overtaken(known: Known, step: Step) -> Known:
    """``at_once`` went ahead of this call, which counts as lost; what is known of the slices stays, to write upon."""
    return replace(known, doubts=_doubts(known, step)) if isinstance(step, Write) else known


def retry(known: Known) -> Known:
    """A hold is over: look again at who bears the higher token."""
    return replace(known, slices=None, checked=None)


def unauthorized(known: Known) -> Known:
    """The token of my pod is refused, persistently: my pod is gone."""
    return replace(known, slices=None, gone=True)


def _doubts(known: Known, step: Write) -> frozenset[tuple[Family, str]]:
    if not step.names_me:
        return known.doubts
    return known.doubts | {(step.slice.family, step.slice.version)}


def _still_in_doubt(known: Known, slices: tuple[Slice, ...]) -> frozenset[tuple[Family, str]]:
    """A write upon a version that has passed cannot land any more."""
    return known.doubts & {(each.family, each.version) for each in slices}
