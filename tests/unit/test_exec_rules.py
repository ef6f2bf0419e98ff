"""The guard's decisions: what it does on each word and at each time, and that it needs no word to kill."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.workload.exec.deadlines import (
    GRACE_NS,
    KILL_AHEAD_NS,
    NS,
    Deadline,
    ask_again_after_ns,
    deadline,
    kill_ahead_ns,
)
from sidecar.workload.exec.messages import (
    End,
    Ended,
    Kill,
    Move,
    Order,
    Pause,
    Paused,
    Report,
    Signal,
    Start,
    Started,
    TooLate,
    decode,
    encode,
)
from sidecar.workload.exec.rules import (
    Continue,
    Exited,
    Finish,
    Guarded,
    Halt,
    Launch,
    Looked,
    Orphaned,
    Quit,
    Say,
    Send,
    step,
)

TERM_AT, KILL_AT = 100, 200
DEADLINE, LATER = Deadline(TERM_AT, KILL_AT), Deadline(1100, 1200)
RUNNING = Guarded(False, DEADLINE)
ASKED = Guarded(False, DEADLINE, asked=True)
WARM = Guarded(True, DEADLINE)
PAUSED = Guarded(True, DEADLINE, paused=True)


@pytest.mark.parametrize("span_seconds", [0.1, 0.5, 1.8, 2, 9, 3600])
def test_term_comes_before_kill_and_kill_before_the_end_of_validity_however_short_that_is(span_seconds: float) -> None:
    span_ns = int(span_seconds * NS)
    found = deadline(10_000 * NS, span_ns)
    assert found.term_at_ns < found.kill_at_ns < 10_000 * NS
    assert 10_000 * NS - found.kill_at_ns == min(KILL_AHEAD_NS, span_ns // 8) == kill_ahead_ns(span_ns)
    assert found.kill_at_ns - found.term_at_ns == min(GRACE_NS, span_ns // 4)


@pytest.mark.parametrize("span_seconds", [0.5, 1, 1.8, 2])
def test_a_promise_is_asked_for_anew_long_before_the_last_one_makes_for_a_term(span_seconds: float) -> None:
    span_ns = int(span_seconds * NS)
    left_then_ns = span_ns - ask_again_after_ns(span_ns)
    assert left_then_ns - (span_ns - deadline(span_ns, span_ns).term_at_ns) >= span_ns // 3


def test_a_deadline_only_ever_comes_nearer_when_bounded() -> None:
    assert DEADLINE.no_later_than(500) == DEADLINE
    assert DEADLINE.no_later_than(150) == Deadline(100, 150)
    assert DEADLINE.no_later_than(50) == Deadline(50, 50)


@pytest.mark.parametrize(
    "message",
    [
        Start(DEADLINE, {"A": "b\n"}),
        Move(DEADLINE),
        End(15, DEADLINE),
        Signal(1),
        Pause(2),
        Kill(),
        Started(7),
        Paused(2),
        Ended(3, asked=True, trouble="x"),
        TooLate(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_arrives_as_it_was_sent(message: Order | Report) -> None:
    assert decode(encode(message)) == message


def test_the_command_is_started_under_its_deadline() -> None:
    assert step(Guarded(False), Start(DEADLINE, {"A": "b"}), TERM_AT - 1) == (RUNNING, (Launch({"A": "b"}),))


def test_a_start_that_was_read_too_late_is_refused() -> None:
    assert step(Guarded(False), Start(DEADLINE, {}), TERM_AT) == (Guarded(False), (Say(TooLate()),))


@pytest.mark.parametrize(
    ("before", "now", "after", "acts"),
    [
        (RUNNING, TERM_AT - 1, RUNNING, ()),
        (RUNNING, TERM_AT, ASKED, (Send(signal.SIGTERM),)),
        (RUNNING, KILL_AT, ASKED, (Finish(),)),
        (ASKED, KILL_AT - 1, ASKED, ()),
        (ASKED, KILL_AT, ASKED, (Finish(),)),
        (WARM, KILL_AT - 1, WARM, ()),
        (WARM, KILL_AT, PAUSED, (Halt(),)),
        (PAUSED, KILL_AT, PAUSED, ()),
        (Guarded(False), KILL_AT, Guarded(False), ()),
    ],
)
def test_time_alone_ends_the_command(before: Guarded, now: int, after: Guarded, acts: tuple[object, ...]) -> None:
    assert step(before, Looked(), now) == (after, acts)


@pytest.mark.parametrize(
    ("before", "alarm"),
    [
        (RUNNING, TERM_AT),
        (ASKED, KILL_AT),
        (WARM, KILL_AT),
        (PAUSED, None),
        (Guarded(False), None),
        (Guarded(True, DEADLINE, asked=True), KILL_AT),
    ],
)
def test_the_timer_is_set_to_the_next_thing_that_time_alone_does(before: Guarded, alarm: int | None) -> None:
    assert before.alarm_ns == alarm


def test_a_later_deadline_moves_the_kill() -> None:
    moved, acts = step(RUNNING, Move(LATER), 50)
    assert (moved, acts) == (Guarded(False, LATER), ())
    assert step(moved, Looked(), KILL_AT) == (moved, ())


def test_a_deadline_that_has_passed_when_it_is_read_kills() -> None:
    assert step(RUNNING, Move(DEADLINE), KILL_AT) == (ASKED, (Finish(),))


def test_only_a_pause_that_was_ordered_is_answered_also_when_it_stands_still_already() -> None:
    assert step(WARM, Pause(3), 50) == (PAUSED, (Halt(answers=3),))
    assert step(PAUSED, Pause(4), 50) == (PAUSED, (Halt(answers=4),))


def test_once_told_to_end_a_command_is_killed_at_its_deadline_and_not_told_again() -> None:
    ending, acts = step(RUNNING, End(signal.SIGTERM, Deadline(150, 150)), 120)
    assert acts == (Send(signal.SIGTERM),)
    assert step(ending, Looked(), 149)[1] == ()
    assert step(ending, Looked(), 150)[1] == (Finish(),)


def test_an_end_that_is_read_after_its_deadline_kills_at_once() -> None:
    assert step(RUNNING, End(signal.SIGTERM, DEADLINE), KILL_AT)[1] == (Finish(),)


def test_a_suspended_command_runs_on_when_the_lead_is_back_and_not_when_that_has_passed_again() -> None:
    assert step(PAUSED, Move(LATER), 1000) == (Guarded(True, LATER), (Continue(),))
    assert step(PAUSED, Move(LATER), 1200)[1] == ()


def test_a_suspended_command_that_is_to_end_for_good_is_killed_at_its_deadline() -> None:
    ending, _ = step(WARM, End(signal.SIGTERM, DEADLINE), 50)
    assert step(ending, Looked(), KILL_AT)[1] == (Finish(),)


def test_what_the_command_leaves_behind_is_gone_before_its_end_is_told() -> None:
    assert step(RUNNING, Exited(3), 50) == (Guarded(False), (Finish(), Say(Ended(3, asked=False))))


def test_an_end_that_was_asked_for_is_told_as_such() -> None:
    assert step(ASKED, Exited(143), 50)[1][-1] == Say(Ended(143, asked=True))


@pytest.mark.parametrize("before", [RUNNING, ASKED, WARM, PAUSED, Guarded(False)])
def test_without_a_supervisor_nothing_goes_on(before: Guarded) -> None:
    assert step(before, Orphaned(), 0)[1] == (Finish(), Quit())


@pytest.mark.parametrize("order", [Move(DEADLINE), End(15, DEADLINE), Signal(1), Pause(1), Kill()])
def test_an_order_that_crosses_the_commands_end_does_nothing(order: Order) -> None:
    assert step(Guarded(False), order, 0) == (Guarded(False), ())


_deadlines = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda pair: Deadline(min(pair), max(pair)))
_orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(Move, _deadlines),
    st.builds(End, st.just(15), _deadlines),
    st.builds(Signal, st.just(1)),
    st.just(Pause(1)),
)


@given(suspends=st.booleans(), orders=st.lists(st.tuples(_orders, st.integers(0, 10))))
def test_whatever_is_told_nothing_runs_at_the_last_deadline_told(
    suspends: bool, orders: list[tuple[Order, int]]
) -> None:
    guarded, now, stopped = Guarded(suspends, Deadline(50, 60)), 0, False
    for order, passed in orders:
        now += passed
        for event in (order, Looked()):  # as the loop does
            guarded, acts = step(guarded, event, now)
            stopped = (stopped or any(isinstance(act, Halt) for act in acts)) and Continue() not in acts
            if Finish() in acts:
                return
        assert guarded.deadline is not None
        assert stopped == guarded.paused
        assert stopped or now < guarded.deadline.kill_at_ns
        assert guarded.alarm_ns is not None or stopped
