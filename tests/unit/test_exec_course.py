"""The supervisor's decisions: when the command runs, when it ends, and what its end means for the lead."""

import signal

import pytest

from sidecar.workload.exec.course import FIRST_RESTART_NS, LAST_RESTART_NS, Command, Course, step
from sidecar.workload.exec.deadlines import GRACE_NS, NS, Deadline, deadline
from sidecar.workload.exec.events import Action, Event, GiveUp, Lead, Leave, Note, Resigned, Seen, StandIn, Tick, Told
from sidecar.workload.exec.messages import End, Ended, Kill, Move, Pause, Paused, Signal, Start, Started, TooLate
from sidecar.workload.exec.wish import OnExit

SPAN = 2 * NS
TOKEN, PID = 7, 4711


class Story:
    """A course, fed one event after the other; each gives what it made the supervisor do."""

    def __init__(self, on_exit: OnExit = OnExit.EXIT, *, suspends: bool = False, drain_ns: int | None = None) -> None:
        self.course = Course(on_exit, suspends, drain_ns)
        self.now = 1000 * NS

    def feed(self, event: Event) -> tuple[Action, ...]:
        self.course, actions = step(self.course, event, self.now)
        return actions

    def lead(self, token: int = TOKEN, span: int = SPAN) -> tuple[Action, ...]:
        return self.feed(Seen(Lead("e", token, self.now + span)))

    def lose(self, *, draining: bool = False) -> tuple[Action, ...]:
        return self.feed(Seen(None, draining=draining))

    def running(self) -> "Story":
        self.lead()
        self.feed(Started(PID))
        return self

    @property
    def deadline(self) -> Deadline:
        assert self.course.deadline is not None
        return self.course.deadline


# === Starting


def test_winning_starts_the_command_with_token_and_deadline_which_are_written_down_first() -> None:
    story = Story()
    until = story.now + SPAN
    assert story.lead() == (
        Note(Lead("e", TOKEN, until)),
        Start(
            deadline(until, SPAN),
            {
                "LEADER_SIDECAR_ELECTION": "e",
                "LEADER_SIDECAR_TOKEN": "7",
                "LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS": str(until),
            },
        ),
    )


def test_a_follower_starts_nothing() -> None:
    assert Story().lose() == ()


def test_nothing_is_started_for_what_is_left_of_a_lead_that_runs_out() -> None:
    story = Story()
    story.course = Course(OnExit.EXIT, False, span_ns=SPAN)
    assert story.lead(span=SPAN // 4) == ()
    assert isinstance(story.lead(span=SPAN)[-1], Start)


def test_a_start_that_came_too_late_is_made_again_with_the_next_deadline() -> None:
    story = Story()
    story.lead()
    story.now += SPAN
    assert story.feed(TooLate()) == ()
    assert isinstance(story.lead()[-1], Start)


# === Going on


def test_each_new_deadline_is_written_down_and_told_to_the_guard() -> None:
    story = Story().running()
    story.now += NS // 2
    until = story.now + SPAN
    assert story.lead() == (Note(Lead("e", TOKEN, until)), Move(deadline(until, SPAN)))


def test_margins_are_those_of_the_longest_deadline_seen_not_of_one_that_runs_out() -> None:
    story = Story().running()
    assert story.lead(span=NS)[-1] == Move(deadline(story.now + NS, SPAN))


# === Losing


def test_a_lost_lead_is_a_term_and_a_kill_within_the_grace() -> None:
    story = Story()
    story.lead(span=10 * NS)
    assert story.lose() == (End(signal.SIGTERM, Deadline(story.now + GRACE_NS, story.now + GRACE_NS)),)


def test_a_lost_lead_never_moves_the_kill_to_a_later_time() -> None:
    story = Story().running()
    before = story.deadline
    story.now = before.kill_at_ns - 1
    story.lose()
    assert story.deadline.kill_at_ns == before.kill_at_ns


def test_a_lead_given_up_on_purpose_leaves_the_command_its_deadline() -> None:
    story = Story()
    story.lead(span=10 * NS)
    before = story.deadline
    assert story.lose(draining=True) == (End(signal.SIGTERM, before),)


def test_a_drain_is_bounded_where_it_has_a_bound() -> None:
    story = Story(drain_ns=NS)
    story.lead(span=10 * NS)
    story.lose(draining=True)
    assert story.deadline.kill_at_ns == story.now + NS


def test_being_told_of_the_loss_again_does_not_signal_again() -> None:
    story = Story().running()
    story.lose()
    assert story.lose() == ()


def test_the_same_lead_regained_gives_an_ending_command_its_time() -> None:
    story = Story().running()
    story.lose()
    assert isinstance(story.lead()[-1], Move)
    assert story.course.command is Command.ENDING


def test_another_leadership_gives_an_ending_command_none_of_its_time() -> None:
    story = Story().running()
    story.lose()
    before = story.deadline
    assert story.lead(TOKEN + 1) == ()
    assert story.deadline == before


def test_another_token_ends_the_command_that_holds_the_old_one_and_starts_it_anew() -> None:
    story = Story().running()
    assert isinstance(story.lead(TOKEN + 1)[-1], End)
    restart = story.feed(Ended(143, asked=True))[-1]
    assert isinstance(restart, Start)
    assert restart.environment["LEADER_SIDECAR_TOKEN"] == str(TOKEN + 1)


@pytest.mark.parametrize("on_exit", OnExit)
def test_an_end_that_we_wished_is_followed_by_a_start_when_the_lead_comes_back(on_exit: OnExit) -> None:
    story = Story(on_exit).running()
    story.lose()
    assert story.feed(Ended(0, asked=True)) == ()
    assert isinstance(story.lead(TOKEN + 1)[-1], Start)


# === The command's own end


def test_exit_gives_the_lead_up_and_ends_with_the_commands_code() -> None:
    assert Story(OnExit.EXIT).running().feed(Ended(3, asked=False)) == (GiveUp(), Leave(3))


def test_resign_gives_the_lead_up_and_starts_nothing_more_under_it() -> None:
    story = Story(OnExit.RESIGN).running()
    assert story.feed(Ended(0, asked=False)) == (GiveUp(),)
    story.feed(Resigned(gone=True))
    story.now += LAST_RESTART_NS
    assert story.lead() == ()
    assert isinstance(story.lead(TOKEN + 1)[-1], Start)


def test_a_resignation_that_failed_is_tried_again_while_that_lead_lasts() -> None:
    story = Story(OnExit.RESIGN).running()
    story.feed(Ended(0, asked=False))
    story.feed(Resigned(gone=False))
    assert story.lead() == (GiveUp(),)
    story.feed(Resigned(gone=True))
    assert story.lead() == ()


def test_restart_keeps_the_lead_and_starts_again_after_a_pause_that_grows() -> None:
    story = Story(OnExit.RESTART).running()
    pauses = []
    for _ in range(8):
        assert story.feed(Ended(1, asked=False)) == ()
        assert story.lead() == ()
        due = story.course.due_ns
        assert due is not None
        pauses.append(due - story.now)
        story.now = due - 1
        story.lead()
        assert story.feed(Tick()) == ()
        story.now = due
        assert isinstance(story.feed(Tick())[-1], Start)
    assert pauses[:3] == [FIRST_RESTART_NS, 2 * FIRST_RESTART_NS, 4 * FIRST_RESTART_NS]
    assert pauses[-1] == LAST_RESTART_NS


def test_a_long_run_makes_the_pause_short_again() -> None:
    story = Story(OnExit.RESTART).running()
    story.course = step(story.course, Ended(1, asked=False), story.now)[0]
    story.now += NS
    story.lead()
    story.now += LAST_RESTART_NS + 1
    story.feed(Ended(1, asked=False))
    assert story.course.not_before_ns == story.now + FIRST_RESTART_NS


def test_a_command_that_always_fails_does_not_make_the_lead_race_around() -> None:
    story = Story(OnExit.RESIGN).running()
    story.feed(Ended(1, asked=False))
    assert story.lead(TOKEN + 1) == ()
    story.now += FIRST_RESTART_NS
    assert isinstance(story.lead(TOKEN + 1)[-1], Start)


@pytest.mark.parametrize("on_exit", OnExit)
def test_a_command_that_cannot_be_started_is_an_end_whatever_was_wished(on_exit: OnExit) -> None:
    assert Story(on_exit).running().feed(Ended(127, asked=False, trouble="no")) == (GiveUp(), Leave(127, "no"))


# === Signals


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH])
def test_signals_that_do_not_stop_are_passed_on_and_mean_nothing_without_a_command(number: int) -> None:
    assert Story().feed(Told(number)) == ()
    assert Story().running().feed(Told(number)) == (Signal(number),)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("on_exit", OnExit)
def test_a_signal_that_stops_goes_to_the_command_whose_code_is_ours(on_exit: OnExit, number: int) -> None:
    story = Story(on_exit).running()
    assert story.feed(Told(number)) == (End(number, story.deadline),)
    assert isinstance(story.lead()[-1], Move), "it is given the time that the lead has"
    assert story.feed(Ended(0, asked=True)) == (GiveUp(), Leave(0))


def test_without_a_command_a_signal_that_stops_is_our_own_end() -> None:
    assert Story().feed(Told(signal.SIGTERM)) == (GiveUp(), Leave(143))


def test_once_told_to_stop_nothing_is_started() -> None:
    story = Story()
    story.feed(Told(signal.SIGTERM))
    assert story.lead() == ()


# === Suspending


def test_a_suspended_command_stands_still_without_the_lead_and_runs_on_with_it_whatever_its_token() -> None:
    story = Story(suspends=True).running()
    assert story.lose() == (Pause(1),)
    assert story.lose() == ()
    until = story.now + SPAN
    assert story.lead(TOKEN + 1) == (Note(Lead("e", TOKEN + 1, until)), Move(deadline(until, SPAN)))


def test_a_command_stands_still_only_when_the_guard_says_so_of_the_last_order() -> None:
    story = Story(suspends=True).running()
    story.lose()
    story.lead()
    assert story.lose() == (Pause(2),)
    stood = []
    for number in (1, 2):
        story.feed(Paused(number))
        stood.append(story.course.command)
    assert stood == [Command.PAUSING, Command.PAUSED]
    assert story.lose() == ()


def test_a_suspended_command_is_killed_when_we_are_told_to_stop_for_it_must_not_run() -> None:
    story = Story(suspends=True).running()
    story.lose()
    assert story.feed(Told(signal.SIGTERM)) == (Kill(),)
    assert story.feed(Ended(137, asked=True)) == (GiveUp(), Leave(143))


# === A guard that is late


def test_a_guard_that_is_late_is_helped_before_the_validity_ends() -> None:
    story = Story().running()
    due = story.course.due_ns
    assert due is not None
    assert story.deadline.kill_at_ns < due < story.now + SPAN
    story.now = due - 1
    assert story.feed(Tick()) == ()
    story.now = due
    assert story.feed(Tick()) == (StandIn(signal.SIGKILL),)
    again = story.course.due_ns
    assert again is not None
    assert again > story.now, "it does not spin"


def test_a_late_guard_of_a_suspended_command_is_helped_by_a_stop() -> None:
    story = Story(suspends=True).running()
    due = story.course.due_ns
    assert due is not None
    story.now = due
    assert story.feed(Tick()) == (StandIn(signal.SIGSTOP),)


def test_a_command_that_stands_still_already_is_not_touched_again() -> None:
    story = Story(suspends=True).running()
    story.now += SPAN
    story.feed(Tick())
    story.lose()
    story.now += SPAN
    assert story.course.due_ns is None
    assert story.feed(Tick()) == ()


def test_with_nothing_to_wait_for_it_is_never_due() -> None:
    story = Story()
    assert story.course.due_ns is None
    story.running()
    story.feed(Ended(0, asked=True))
    story.lose()
    assert story.course.due_ns is None
