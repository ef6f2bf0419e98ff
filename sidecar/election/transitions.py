"""One candidate in one election: every state, every transition, and no I/O.

``step`` takes the candidate, one event and the time, and gives the candidate as it is then, and what to ask of etcd.
Whoever drives it carries the questions out and feeds the answers back; an answer that never comes is fed as
``Unanswered``. At most one question is out at a time. Times are seconds of one clock that counts suspend.

The rules, each of them a safety rule:

- I lead if and only if a linearizable read showed that the first key of the queue is mine, with my revision, and the
  lease is valid by my clock (etcd ``client/v3/concurrency/mutex.go``, less its trust in "nobody is ahead").
- Leadership is computed when asked (``leads``). No field says "leader".
- A renewal counts only when confirmed: after its answer a linearizable read shows my key with my revision, and both
  answers bear the same raft term. A renewal is dated by when its request was sent.
- My own key deleted, re-created or moved to another lease by anybody: I do not lead, from that instant.
- A leadership that was not given up may outlive its key: I do not lead before it has ended (``past``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sidecar.election.candidate import NEVER, Candidate
from sidecar.election.events import (
    Asked,
    Claimed,
    ClockJumped,
    Confirmed,
    Effect,
    Event,
    Finished,
    KeyChanged,
    Looked,
    Phase,
    Probed,
    ProbeLease,
    Released,
    Renewed,
    RenewNow,
    SessionLost,
    SessionOpened,
    Shifted,
    StandIn,
    StepDown,
    Surveyed,
    Tick,
    TransferRequested,
    Unanswered,
    WatchBroke,
)
from sidecar.election.lease import Renewal
from sidecar.election.past import (
    LAST_PROBE_SECONDS,
    PROBE_AGAIN_SECONDS,
    UNKNOWN_TERM,
    Ended,
    noticed,
    verdict_waits_until,
)
from sidecar.election.queue import Header, LockKey, QueueView, key_name
from sidecar.election.transfer import shifts
from sidecar.election.verdict import Reason

REREAD_SECONDS = 60.0
"""A watch can stall silently: a waiter reads the queue again this often (jittered by a quarter)."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 1.0
REJOIN_AFTER_SECONDS = 0.05
"""Whoever released its key stands in line again a little later: reads wait for writes, and the next leader reads."""
PLAN_KEEPS_SECONDS = 0.25
"""After a longer drain the queue is read again before the lead is passed on: who stood in it may have left."""
NAME_SPREAD_SECONDS, NAME_SPREAD_AT_MOST_SECONDS = 0.01, 10.0
"""When a leader goes the others read the new name within this time for each candidate, not all at once."""


class IllegalTransition(Exception):
    """An event that cannot happen in this phase. Nothing was changed."""


def step(candidate: Candidate, event: Event, now: float, dice: float) -> tuple[Candidate, tuple[Effect, ...]]:
    """The candidate after ``event`` at ``now``, and what to ask of etcd. ``dice`` is a random number in [0, 1).

    Raises ``IllegalTransition``, and changes nothing, when the table has no row for it.
    """
    rule = TABLE.get((candidate.phase, type(event)))
    if rule is None:
        raise IllegalTransition(f"{type(event).__name__} while {candidate.phase}")
    after = rule.handle(candidate, event, now, dice)
    if after.phase is not candidate.phase and after.phase not in rule.targets:
        raise IllegalTransition(f"{type(event).__name__} led from {candidate.phase} to {after.phase}")
    return _ask(after, now)


def _ask(candidate: Candidate, now: float) -> tuple[Candidate, tuple[Effect, ...]]:
    """Put the next question, when one is due and none is out."""
    effects: list[Effect] = []
    if candidate.renew:
        candidate = replace(candidate, renew=False)
        effects.append(RenewNow())
    if candidate.probing and candidate.first is not None:
        runs_out = candidate.probe is not None and candidate.probe.runs_out
        effects.append(ProbeLease(candidate.first.lease_id, PROBE_AGAIN_SECONDS if runs_out else 0.0))
    candidate = replace(candidate, probing=False)
    question = candidate.question()
    if question is not None and candidate.asked is None and now >= candidate.ask_at:
        candidate = replace(candidate, asked=Asked(question, candidate.renewal), ask_at=NEVER)
        effects.append(question)
    return candidate, tuple(effects)


# === Session


def _open(candidate: Candidate, event: SessionOpened, now: float, _dice: float) -> Candidate:
    # the key is watched from before it exists: a claim whose answer is lost shows all the same
    phase = Phase.STANDING_OUT if candidate.phase is Phase.STANDING_OUT else Phase.CLAIMING
    own_from = event.renewal.header.revision + 1
    return replace(
        candidate,
        phase=phase,
        renewal=event.renewal,
        granted_in=UNKNOWN_TERM if event.resumed else event.renewal.header.raft_term,
        own_from=own_from,
        ask_at=now,
        failures=0,
    )


def _lose_session(candidate: Candidate, event: SessionLost, _now: float, _dice: float) -> Candidate:
    phase = Phase.CONNECTING if candidate.then is Phase.CLAIMING else candidate.then
    if candidate.phase is Phase.STANDING_OUT:
        phase = Phase.STANDING_OUT
    another_history = event.reason is Reason.HISTORY  # with tokens of its own
    return Candidate(
        lock=candidate.lock,
        hold_off_seconds=candidate.hold_off_seconds,
        ended=() if another_history else candidate.ended,
        led=0 if another_history else candidate.led,
        phase=phase,
        reason=event.reason if candidate.phase is Phase.LEADING else candidate.reason,
        distrusted_before=candidate.distrusted_before,
        count=candidate.count,
        asked=candidate.asked,  # still out; its answer is of the old session and will not count
    )


def _renew(candidate: Candidate, event: Renewed, now: float, _dice: float) -> Candidate:
    candidate = replace(candidate, renewal=event.renewal)
    if candidate.phase is Phase.LEADING or (candidate.phase is Phase.WAITING and candidate.is_first):
        return replace(candidate, ask_at=now)
    before = candidate.probe
    going_on = before is not None and before.runs_out and now - before.asked_at < LAST_PROBE_SECONDS
    return replace(candidate, probing=_is_doubtful(candidate) and not going_on)


def _is_doubtful(candidate: Candidate) -> bool:
    """Whether I am next, and etcd may end the leader's lease too early: then its time is looked at while it runs."""
    last, first, renewal = candidate.past.last, candidate.first, candidate.renewal
    if last is None or first is None or renewal is None or candidate.phase is not Phase.WAITING:
        return False
    next_in_line = candidate.ahead is not None and candidate.ahead.name == first.name
    return next_in_line and first.create_revision == last.token and last.raft_term != renewal.header.raft_term


def _probed(candidate: Candidate, event: Probed, _now: float, _dice: float) -> Candidate:
    candidate = replace(candidate, probe=event.probe.after(candidate.probe))
    return replace(candidate, probing=event.probe.runs_out and _is_doubtful(candidate))


def _distrust(candidate: Candidate, _event: ClockJumped, now: float, _dice: float) -> Candidate:
    leading = candidate.phase is Phase.LEADING
    return replace(candidate, valid_until=-NEVER, distrusted_before=now, renew=leading)


# === Answers


def _answered(candidate: Candidate) -> tuple[Candidate, Renewal | None]:
    """The candidate with no question out, and the renewal the answer may confirm; None if it is of an older session."""
    asked = candidate.asked
    candidate = replace(candidate, asked=None, failures=0)
    if asked is None or asked.renewal is None or candidate.renewal is None:
        return candidate, None
    return candidate, asked.renewal if asked.renewal.lease_id == candidate.renewal.lease_id else None


def _confirms(candidate: Candidate, renewal: Renewal, header: Header, now: float) -> bool:
    """Whether an answer with this header, which showed my key, confirms a renewal answered before it was asked."""
    return (
        renewal.header.raft_term == header.raft_term
        and renewal.sent_at >= candidate.distrusted_before
        and now < renewal.valid_until
    )


def _claimed(candidate: Candidate, event: Claimed, now: float, dice: float) -> Candidate:
    overtaken = candidate.ask_at <= now  # my key was deleted or moved while the claim was out
    candidate, renewal = _answered(candidate)
    if renewal is None:
        return replace(candidate, ask_at=now)
    if event.mine.lease_id != renewal.lease_id:
        return _delete(candidate, event.mine, Phase.CLAIMING, now)
    candidate = replace(candidate, phase=Phase.WAITING, revision=event.mine.create_revision, position=None, ask_at=now)
    if event.view is None or overtaken:
        return candidate
    return _judge(candidate, event.view, renewal, now, dice)


def _claimed_late(candidate: Candidate, event: Claimed, now: float, _dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    return _delete(candidate, event.mine, candidate.phase, now) if renewal else candidate


def _looked(candidate: Candidate, event: Looked, now: float, dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    return _judge(candidate, event.view, renewal, now, dice) if renewal else replace(candidate, ask_at=now)


def _judge(candidate: Candidate, view: QueueView, renewal: Renewal, now: float, dice: float) -> Candidate:
    """What a read of the queue means for one who waits."""
    if not _is_mine(candidate, view.mine):
        return _lose_key(candidate, view.mine, now, dice)
    candidate = _remember(candidate, view, now, dice)
    if not candidate.is_first:
        return replace(candidate, ahead=view.ahead, ahead_from=view.header.revision + 1)
    candidate = _await_the_past(replace(candidate, ahead=None, ahead_from=None, first_from=None), view, now)
    if now < candidate.held_until:
        return replace(candidate, ask_at=candidate.held_until)
    if not _confirms(candidate, renewal, view.header, now):
        return replace(candidate, renew=True)
    return replace(
        candidate,
        phase=Phase.LEADING,
        valid_until=renewal.valid_until,
        confirmed_at=renewal.sent_at,
        led=candidate.revision or 0,
        recorded=view.past.last is not None and view.past.last.token == candidate.revision,
        ask_at=now,
    )


def _await_the_past(candidate: Candidate, view: QueueView, now: float) -> Candidate:
    """I stand first: until when I must not lead for that."""
    last = view.past.last
    if last is not None and last.token == candidate.revision:  # an earlier run of mine did, and waited then
        candidate = replace(candidate, led=last.token)
    elif last is not None:
        candidate = _notice_end(candidate, last.token, 0, now)
    until = verdict_waits_until(
        view.past,
        candidate.ended,
        own=candidate.led,
        raft_term=view.header.raft_term,
        hold_off_seconds=candidate.hold_off_seconds,
    )
    return replace(candidate, held_until=-NEVER if until is None else until)


def _notice_end(candidate: Candidate, token: int, lease_id: int, now: float) -> Candidate:
    """A key that was the first is gone."""
    probe = candidate.probe
    over_at = probe.known_end(now) if probe is not None and probe.lease_id == lease_id else None
    return replace(candidate, ended=noticed(candidate.ended, Ended(token, now, over_at)))


def _remember(candidate: Candidate, view: QueueView, now: float, dice: float) -> Candidate:
    """Take over what a read says of the others, and when to read again."""
    before = candidate.first
    if before is not None and not candidate.is_first and (view.first is None or _younger(view.first, before)):
        candidate = _notice_end(candidate, before.create_revision, before.lease_id, now)
    since = view.header.revision + 1
    candidate = replace(
        candidate,
        first=view.first,
        past=view.past,
        first_from=since,
        own_from=since if candidate.own_from is None else candidate.own_from,
        count=view.count,
        ignored=view.ignored,
        ask_at=now + REREAD_SECONDS * (0.75 + dice / 2),
    )
    return replace(candidate, position=_position(candidate, view))


def _younger(key: LockKey, than: LockKey) -> bool:
    return key.create_revision > than.create_revision


def _position(candidate: Candidate, view: QueueView) -> int | None:
    if candidate.is_first:
        return 1
    if view.position is not None or candidate.revision is None:
        return view.position
    return 2 if view.ahead == view.first else None


def _looked_standing_out(candidate: Candidate, event: Looked, now: float, dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    if renewal is None:
        return replace(candidate, ask_at=now if candidate.renewal else NEVER)
    if event.view.mine is not None:
        return _delete(candidate, event.view.mine, Phase.STANDING_OUT, now)
    return _remember(candidate, event.view, now, dice)


def _confirmed(candidate: Candidate, event: Confirmed, now: float, dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    if renewal is None:
        return replace(candidate, ask_at=now)
    if not _is_mine(candidate, event.mine):
        return _lose_key(candidate, event.mine, now, dice)
    own_from = event.header.revision + 1 if candidate.own_from is None else candidate.own_from
    newer = candidate.renewal != renewal  # one more was answered since: confirm that one as well
    recorded = candidate.recorded or event.recorded
    candidate = replace(candidate, own_from=own_from, recorded=recorded, ask_at=now if newer else NEVER)
    if not _confirms(candidate, renewal, event.header, now):
        return candidate if newer else replace(candidate, renew=True)
    return replace(
        candidate,
        valid_until=max(candidate.valid_until, renewal.valid_until),
        confirmed_at=max(candidate.confirmed_at, renewal.sent_at),
    )


def _released(candidate: Candidate, _event: Released, now: float, _dice: float) -> Candidate:
    asked, (candidate, renewal) = candidate.asked, _answered(candidate)
    if renewal is None or asked is None or asked.question != candidate.question():
        return replace(candidate, ask_at=now)
    return _parted(candidate, now)


def _too_late(candidate: Candidate, _event: Event, now: float, _dice: float) -> Candidate:
    """An answer to a question of an earlier phase."""
    candidate, _ = _answered(candidate)
    return replace(candidate, ask_at=now)


def _surveyed(candidate: Candidate, event: Surveyed, now: float, _dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    if renewal is None or candidate.heir is None:
        return replace(candidate, ask_at=now)
    mine = (key_name(candidate.lock, renewal.lease_id), candidate.revision)
    todo = shifts(candidate.lock, event.queue, event.sidecars, mine, candidate.heir)
    phase = Phase.PASSING_ON if todo else Phase.RELEASING
    return replace(candidate, phase=phase, shifts=todo, ask_at=now)


def _shifted(candidate: Candidate, event: Shifted, now: float, _dice: float) -> Candidate:
    candidate, renewal = _answered(candidate)
    if renewal is None:
        return replace(candidate, ask_at=now)
    if not event.done:
        return replace(candidate, phase=Phase.RELEASING, ask_at=now)
    if len(candidate.shifts) > 1:
        return replace(candidate, shifts=candidate.shifts[1:], ask_at=now)
    return replace(_parted(candidate, now), passed_to=candidate.heir)


def _parted(candidate: Candidate, now: float) -> Candidate:
    """My key is gone as I wanted."""
    ask_at = now + REJOIN_AFTER_SECONDS
    return replace(_without_key(candidate), phase=candidate.then, then=Phase.CLAIMING, ask_at=ask_at)


def _not_passed_on(candidate: Candidate, event: Unanswered, now: float, dice: float) -> Candidate:
    # what was asked may yet take effect: it compares my key, so nothing once that is released
    return replace(_unanswered(candidate, event, now, dice), phase=Phase.RELEASING)


def _unanswered(candidate: Candidate, _event: Unanswered, now: float, dice: float) -> Candidate:
    return _again(replace(candidate, asked=None), now, dice)


def _again(candidate: Candidate, now: float, dice: float) -> Candidate:
    """Ask again, later each time it fails."""
    backoff = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0**candidate.failures)
    return replace(candidate, failures=min(candidate.failures + 1, 16), ask_at=now + backoff * (0.5 + dice / 2))


# === Watches


def _is_mine(candidate: Candidate, key: LockKey | None) -> bool:
    return (
        key is not None
        and candidate.renewal is not None
        and key.create_revision == candidate.revision
        and key.lease_id == candidate.renewal.lease_id
    )


def _key_changed(candidate: Candidate, event: KeyChanged, now: float, dice: float) -> Candidate:
    if event.name == candidate.name:
        if candidate.revision is None or event.revision <= candidate.revision or _is_mine(candidate, event.key):
            return candidate  # an echo of my own claim, or of a key I had before it
        return _lose_key(candidate, event.key, now, dice)
    if event.key is not None:
        return _renamed(candidate, event.key)
    if candidate.ahead is not None and event.name == candidate.ahead.name:
        candidate = replace(candidate, ahead=None, ahead_from=None, ask_at=now, ahead_gone_at=now)
    return _first_gone(candidate, event, now, dice)


def _renamed(candidate: Candidate, key: LockKey) -> Candidate:
    """Go's ``Election.Proclaim`` rewrites the value of a key: the leader says another name."""
    if candidate.first is not None and key.name == candidate.first.name:
        return replace(candidate, first=key)
    return candidate


def _first_gone(candidate: Candidate, event: KeyChanged, now: float, dice: float) -> Candidate:
    """The leader's key went: its name is unknown from now on, and the successor's is read a little later."""
    if candidate.first is None or event.name != candidate.first.name or event.key is not None:
        return candidate
    candidate = _notice_end(candidate, candidate.first.create_revision, candidate.first.lease_id, now)
    ask_at = min(candidate.ask_at, now + _spread_seconds(candidate.count or 1) * dice)
    return replace(candidate, first=None, first_from=None, position=None, ask_at=ask_at)


def _spread_seconds(count: int) -> float:
    return min(NAME_SPREAD_AT_MOST_SECONDS, NAME_SPREAD_SECONDS * count)


def _key_changed_claiming(candidate: Candidate, event: KeyChanged, now: float, dice: float) -> Candidate:
    if event.name != candidate.name:
        return _others_key_changed(candidate, event, now, dice)
    # the claim's answer says how things stood when it took effect: what came after must be read
    return replace(candidate, ask_at=now) if event.key is None or _is_foreign(candidate, event.key) else candidate


def _others_key_changed(candidate: Candidate, event: KeyChanged, now: float, _dice: float) -> Candidate:
    """Forget a leader that went: its watch ends, and an answer from before that begins a new one, which tells again."""
    if event.key is not None:
        return _renamed(candidate, event.key)
    if candidate.first is not None and event.name == candidate.first.name:
        candidate = _notice_end(candidate, candidate.first.create_revision, candidate.first.lease_id, now)
        return replace(candidate, first=None, first_from=None)
    return candidate


def _is_foreign(candidate: Candidate, key: LockKey) -> bool:
    return candidate.renewal is None or key.lease_id != candidate.renewal.lease_id


def _key_changed_draining(candidate: Candidate, event: KeyChanged, now: float, _dice: float) -> Candidate:
    if event.name == candidate.name and candidate.revision is not None and event.revision > candidate.revision:
        return candidate if _is_mine(candidate, event.key) else _part(candidate, event.key, now)
    return candidate


def _key_changed_standing_out(candidate: Candidate, event: KeyChanged, now: float, dice: float) -> Candidate:
    if event.name == candidate.name:  # a claim given up on took effect after all
        return _delete(candidate, event.key, Phase.STANDING_OUT, now) if event.key else candidate
    return _renamed(candidate, event.key) if event.key else _first_gone(candidate, event, now, dice)


def _watch_broke(candidate: Candidate, event: WatchBroke, now: float, dice: float) -> Candidate:
    if event.name == candidate.name:
        candidate = replace(candidate, own_from=None)
    if candidate.ahead is not None and event.name == candidate.ahead.name:
        candidate = replace(candidate, ahead_from=None)
    if candidate.first is not None and event.name == candidate.first.name:
        candidate = replace(candidate, first_from=None)
    return _again(candidate, now, dice)


# === Losing the key, and giving it up


def _lose_key(candidate: Candidate, key: LockKey | None, now: float, dice: float) -> Candidate:
    """My key is gone or no longer mine: lead no more, make sure nothing of it is left, and stand in line again.

    A waiter was passed over in a transfer, most likely, and others with it: they do not all come back at once.
    """
    if candidate.phase is Phase.WAITING:
        parted = _part(replace(candidate, then=Phase.CLAIMING), key, now)
        return parted if key else replace(parted, ask_at=now + _spread_seconds(candidate.count or 0) * dice)
    return _part(replace(candidate, reason=Reason.KEY_LOST, then=Phase.CLAIMING), key, now)


def _part(candidate: Candidate, key: LockKey | None, now: float) -> Candidate:
    if key is not None:
        return _delete(candidate, key, candidate.then, now)
    return replace(_without_key(candidate), phase=candidate.then, then=Phase.CLAIMING, ask_at=now)


def _without_key(candidate: Candidate) -> Candidate:
    return replace(
        candidate,
        valid_until=-NEVER,
        confirmed_at=-NEVER,
        revision=None,
        position=None,
        first=None if candidate.is_first else candidate.first,
        held_until=-NEVER,
        orderly=False,
        ahead=None,
        ahead_from=None,
        ahead_gone_at=None,
        heir=None,
        shifts=(),
    )


def _delete(candidate: Candidate, key: LockKey, then: Phase, now: float) -> Candidate:
    """Delete the key under my name, whoever put it there: the name has my lease's id in it."""
    candidate = _without_key(candidate)
    return replace(candidate, phase=Phase.RELEASING, then=then, revision=key.create_revision, ask_at=now)


def _step_down(candidate: Candidate, event: StepDown, now: float, _dice: float) -> Candidate:
    match candidate.phase:
        case Phase.LEADING:
            return replace(_draining(candidate, event.reason), then=event.then)
        case Phase.WAITING:
            return replace(candidate, phase=Phase.RELEASING, then=event.then, ask_at=now)
        case Phase.DRAINING | Phase.PASSING_ON | Phase.RELEASING:
            return replace(candidate, then=event.then)
        case _:
            return replace(candidate, phase=event.then)


def _stand_in(candidate: Candidate, _event: StandIn, now: float, _dice: float) -> Candidate:
    if candidate.phase is Phase.STANDING_OUT:
        phase = Phase.CLAIMING if candidate.renewal else Phase.CONNECTING
        return replace(candidate, phase=phase, then=Phase.CLAIMING, ask_at=now)
    return replace(candidate, then=Phase.CLAIMING) if candidate.then is Phase.STANDING_OUT else candidate


def _transfer(candidate: Candidate, event: TransferRequested, now: float, _dice: float) -> Candidate:
    candidate = replace(candidate, heir=event.heir, shifts=event.shifts, planned_at=now, passed_to=None)
    return replace(_draining(candidate, Reason.TRANSFERRED), then=Phase.CLAIMING)


def _draining(candidate: Candidate, reason: Reason) -> Candidate:
    return replace(candidate, phase=Phase.DRAINING, valid_until=-NEVER, ask_at=NEVER, reason=reason)


def _finish(candidate: Candidate, _event: Finished, now: float, _dice: float) -> Candidate:
    plan = candidate.shifts if now - candidate.planned_at <= PLAN_KEEPS_SECONDS else ()
    phase = Phase.PASSING_ON if candidate.heir else Phase.RELEASING
    return replace(candidate, phase=phase, shifts=plan, ask_at=now, orderly=True)


def _stay(candidate: Candidate, _event: Event, _now: float, _dice: float) -> Candidate:
    return candidate


# === The table


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event does in one phase, and the other phases it may lead to."""

    handle: Callable[..., Candidate]
    targets: frozenset[Phase]


_P = Phase


def _but(*phases: Phase) -> tuple[Phase, ...]:
    return tuple(phase for phase in Phase if phase not in phases)


_HELD = (_P.WAITING, _P.LEADING)
_LEAVING = (_P.PASSING_ON, _P.RELEASING)
_WITH_SESSION = (_P.CLAIMING, _P.WAITING, _P.LEADING, _P.DRAINING, *_LEAVING, _P.STANDING_OUT)
_ALL = tuple(Phase)
_AFTER_KEY = (_P.CLAIMING, _P.STANDING_OUT, _P.STOPPED)

_ROWS: tuple[tuple[tuple[Phase, ...], type, Callable[..., Candidate], tuple[Phase, ...]], ...] = (
    ((_P.CONNECTING,), SessionOpened, _open, (_P.CLAIMING,)),
    ((_P.STANDING_OUT,), SessionOpened, _open, ()),
    ((_P.STOPPED,), SessionOpened, _stay, ()),
    ((_P.CLAIMING, _P.WAITING, _P.LEADING), SessionLost, _lose_session, (_P.CONNECTING,)),
    ((_P.DRAINING, *_LEAVING), SessionLost, _lose_session, (_P.CONNECTING, _P.STANDING_OUT, _P.STOPPED)),
    ((_P.STANDING_OUT,), SessionLost, _lose_session, ()),
    ((_P.CONNECTING, _P.STOPPED), SessionLost, _stay, ()),
    (_WITH_SESSION, Renewed, _renew, ()),
    ((_P.CONNECTING, _P.STOPPED), Renewed, _stay, ()),
    (_ALL, Probed, _probed, ()),
    (_ALL, ClockJumped, _distrust, ()),
    ((_P.CLAIMING,), Claimed, _claimed, (_P.WAITING, _P.LEADING, _P.RELEASING)),
    ((_P.STANDING_OUT,), Claimed, _claimed_late, (_P.RELEASING,)),
    ((_P.WAITING,), Looked, _looked, (_P.LEADING, _P.CLAIMING, _P.RELEASING)),
    ((_P.STANDING_OUT,), Looked, _looked_standing_out, (_P.RELEASING,)),
    ((_P.LEADING,), Confirmed, _confirmed, (_P.CLAIMING, _P.RELEASING)),
    ((_P.RELEASING,), Released, _released, _AFTER_KEY),
    ((_P.PASSING_ON,), Surveyed, _surveyed, (_P.RELEASING,)),
    ((_P.PASSING_ON,), Shifted, _shifted, (_P.RELEASING, *_AFTER_KEY)),
    (_but(_P.CLAIMING, _P.STANDING_OUT), Claimed, _too_late, ()),
    (_but(_P.WAITING, _P.STANDING_OUT), Looked, _too_late, ()),
    (_but(_P.LEADING), Confirmed, _too_late, ()),
    (_but(_P.RELEASING), Released, _too_late, ()),
    (_but(_P.PASSING_ON), Surveyed, _too_late, ()),
    (_but(_P.PASSING_ON), Shifted, _too_late, ()),
    ((_P.PASSING_ON,), Unanswered, _not_passed_on, (_P.RELEASING,)),
    (_but(_P.PASSING_ON), Unanswered, _unanswered, ()),
    (_HELD, KeyChanged, _key_changed, (_P.CLAIMING, _P.RELEASING)),
    ((_P.CLAIMING,), KeyChanged, _key_changed_claiming, ()),
    ((_P.DRAINING,), KeyChanged, _key_changed_draining, (_P.RELEASING, *_AFTER_KEY)),
    ((_P.STANDING_OUT,), KeyChanged, _key_changed_standing_out, (_P.RELEASING,)),
    (_LEAVING, KeyChanged, _others_key_changed, ()),
    ((_P.CONNECTING, _P.STOPPED), KeyChanged, _stay, ()),
    (_WITH_SESSION, WatchBroke, _watch_broke, ()),
    ((_P.CONNECTING, _P.STOPPED), WatchBroke, _stay, ()),
    ((_P.LEADING,), StepDown, _step_down, (_P.DRAINING,)),
    ((_P.WAITING,), StepDown, _step_down, (_P.RELEASING,)),
    ((_P.CONNECTING, _P.CLAIMING, _P.STANDING_OUT), StepDown, _step_down, (_P.STANDING_OUT, _P.STOPPED)),
    ((_P.DRAINING, *_LEAVING), StepDown, _step_down, ()),
    ((_P.STOPPED,), StepDown, _stay, ()),
    ((_P.STANDING_OUT,), StandIn, _stand_in, (_P.CONNECTING, _P.CLAIMING)),
    (_but(_P.STANDING_OUT), StandIn, _stand_in, ()),
    ((_P.LEADING,), TransferRequested, _transfer, (_P.DRAINING,)),
    (_but(_P.LEADING), TransferRequested, _stay, ()),
    ((_P.DRAINING,), Finished, _finish, _LEAVING),
    (_but(_P.DRAINING), Finished, _stay, ()),
    (_ALL, Tick, _stay, ()),
)

TABLE: Mapping[tuple[Phase, type], Rule] = {
    (phase, event): Rule(handle, frozenset(targets)) for phases, event, handle, targets in _ROWS for phase in phases
}
