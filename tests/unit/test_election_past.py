"""A leadership that was not given up may outlive its key: who stands first waits for its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.election.candidate import Candidate
from sidecar.election.events import (
    Claimed,
    Confirm,
    Confirmed,
    Effect,
    Event,
    Finished,
    KeyChanged,
    Look,
    Looked,
    Phase,
    Probed,
    ProbeLease,
    Release,
    Released,
    Renewed,
    SessionLost,
    SessionOpened,
    StepDown,
    Tick,
    Unanswered,
)
from sidecar.election.lease import Renewal
from sidecar.election.past import (
    PROBE_AGAIN_SECONDS,
    UNKNOWN_TERM,
    Ended,
    Leadership,
    Past,
    Probe,
    noticed,
    read_past,
    verdict_waits_until,
    write_leadership,
)
from sidecar.election.queue import Header, LockKey, QueueView
from sidecar.election.transitions import step
from sidecar.election.verdict import Reason

LOCK, TTL, MARGIN = "/l", 10.0, 1.0
RIVAL = LockKey(f"{LOCK}/b", 12, 12, 0xB, "rival")
MINE = LockKey(f"{LOCK}/a", 15, 15, 0xA, "me")
GRANTED_IN, LATER_TERM = 2, 3
RECORD = Leadership(12, GRANTED_IN, TTL)


class Driven:
    """A candidate behind ``RIVAL``, whose leadership is on record; all times are of its clock."""

    def __init__(self, *, hold_off_seconds: float = 0.0) -> None:
        self.candidate = Candidate(LOCK, hold_off_seconds)
        self.effects: tuple[Effect, ...] = ()
        self.opens(0.0, MINE)
        self.reads(0.2, RIVAL, term=GRANTED_IN)

    def feed(self, now: float, event: Event) -> "Driven":
        self.candidate, self.effects = step(self.candidate, event, now, 0.5)
        return self

    def opens(self, now: float, mine: LockKey) -> "Driven":
        if self.candidate.asked is not None:  # in the session before
            self.feed(now, Unanswered())
        self.feed(now, SessionOpened(renewal(mine.lease_id, now)))
        return self.feed(now, Claimed(Header(1, 1, 20, GRANTED_IN), mine, None))

    def reads(
        self, now: float, first: LockKey, *, term: int, past: Past | None = None, mine: LockKey = MINE
    ) -> "Driven":
        """Renews, and reads until nothing more is asked: what was asked before the renewal confirms nothing."""
        ahead = None if first == mine else first
        view = QueueView(Header(1, 1, 30, term), first, mine, ahead, 2, past=Past(RECORD) if past is None else past)
        for _ in range(3):
            self.feed(now, Renewed(renewal(mine.lease_id, now - 0.01, term)))
            if self.candidate.asked is not None and isinstance(self.candidate.asked.question, Look):
                self.feed(now, Looked(view))
        return self

    def sees_the_rival_go(self, now: float) -> "Driven":
        return self.feed(now, KeyChanged(RIVAL.name, 25, None))


def renewal(lease_id: int, sent_at: float, term: int = GRANTED_IN) -> Renewal:
    return Renewal(lease_id, TTL, sent_at, Header(1, 1, 10, term))


def test_a_key_that_goes_with_its_lease_in_the_term_of_its_grant_makes_nobody_wait() -> None:
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=GRANTED_IN)
    assert driven.candidate.leads(5.1)


def test_after_another_etcd_leader_came_the_verdict_waits_a_ttl_and_the_margin_from_when_the_key_was_seen_gone() -> (
    None
):
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=LATER_TERM)
    assert not driven.candidate.leads(5.1)
    assert driven.candidate.holds_off(5.1)
    assert driven.candidate.due(5.1) == driven.candidate.held_until == 5.0 + TTL + MARGIN
    assert not driven.reads(15.9, MINE, term=LATER_TERM).candidate.leads(15.9)
    assert driven.reads(16.0, MINE, term=LATER_TERM).candidate.leads(16.0)


def test_a_lead_that_was_given_up_is_taken_over_at_once_whatever_the_term() -> None:
    driven = Driven(hold_off_seconds=30.0).sees_the_rival_go(5.0)
    assert driven.reads(5.1, MINE, term=LATER_TERM, past=Past(RECORD, released=12)).candidate.leads(5.1)


def test_a_mark_of_an_earlier_leadership_excuses_nobody() -> None:
    driven = Driven().sees_the_rival_go(5.0)
    assert driven.reads(5.1, MINE, term=LATER_TERM, past=Past(RECORD, released=7)).candidate.holds_off(5.1)


def test_one_that_never_saw_the_leader_waits_from_its_first_read() -> None:
    driven = Driven()
    driven.candidate = Candidate(LOCK)
    driven.opens(50.0, MINE).reads(50.1, MINE, term=LATER_TERM)
    assert driven.candidate.held_until == 50.1 + TTL + MARGIN
    assert driven.reads(55.0, MINE, term=LATER_TERM).candidate.held_until == 50.1 + TTL + MARGIN


def test_one_whose_own_lease_went_with_the_leaders_remembers_when() -> None:
    driven = Driven().sees_the_rival_go(5.0).feed(5.1, SessionLost(Reason.LEASE_LOST))
    again = LockKey(f"{LOCK}/c", 27, 27, 0xC, "me")
    driven.opens(6.0, again).reads(6.1, again, term=LATER_TERM, mine=again)
    assert driven.candidate.held_until == 5.0 + TTL + MARGIN


def test_my_own_leadership_before_is_none_to_wait_for() -> None:
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=GRANTED_IN)
    assert driven.candidate.leads(5.1)
    driven.feed(5.2, Confirmed(Header(1, 1, 31, GRANTED_IN), MINE, recorded=True))
    driven.feed(6.0, SessionLost(Reason.LEASE_LOST))
    again = LockKey(f"{LOCK}/c", 40, 40, 0xC, "me")
    mine_before = Past(Leadership(15, GRANTED_IN, TTL))
    driven.opens(7.0, again).reads(7.1, again, term=LATER_TERM, mine=again, past=mine_before)
    assert driven.candidate.leads(7.1)


def test_another_history_has_tokens_of_its_own() -> None:
    driven = Driven().sees_the_rival_go(5.0).feed(5.1, SessionLost(Reason.HISTORY))
    assert driven.candidate.ended == ()
    assert driven.candidate.led == 0


def test_hold_off_waits_after_whoever_went_without_a_mark_a_go_program_too() -> None:
    driven = Driven(hold_off_seconds=4.0).sees_the_rival_go(5.0)
    assert driven.reads(5.1, MINE, term=GRANTED_IN, past=Past()).candidate.held_until == 9.0
    assert driven.reads(9.0, MINE, term=GRANTED_IN, past=Past()).candidate.leads(9.0)


def test_without_hold_off_a_go_program_is_followed_at_once() -> None:
    assert Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=LATER_TERM, past=Past()).candidate.leads(5.1)


def running_out(*looks: tuple[float, float]) -> Driven:
    """The rival's lease, with so much time left at such times."""
    driven = Driven().feed(3.0, Renewed(renewal(0xA, 2.9, LATER_TERM)))
    for asked_at, left in looks:
        driven.feed(asked_at + 0.01, Probed(Probe(RIVAL.lease_id, TTL, left, asked_at)))
    return driven


def test_after_a_lease_that_was_seen_running_out_the_verdict_waits_only_until_it_would_have_ended() -> None:
    driven = running_out((8.5, 1.0), (8.75, 0.0), (9.0, 0.0), (9.25, 0.0), (9.5, 0.0), (9.75, 0.0))
    end = pytest.approx(8.75 + 1.1)  # the first look that found less than a second, and the clocks' drift
    assert driven.sees_the_rival_go(9.76).reads(9.77, MINE, term=LATER_TERM).candidate.held_until == end
    assert driven.reads(9.9, MINE, term=LATER_TERM).candidate.leads(9.9)


def test_a_lease_that_was_renewed_between_two_looks_is_not_taken_to_have_run_out() -> None:
    driven = running_out((8.5, 1.0), (8.75, 9.0))
    full = 8.8 + TTL + MARGIN
    assert driven.sees_the_rival_go(8.8).reads(8.9, MINE, term=LATER_TERM).candidate.held_until == full
    renewed_and_running_out_again = running_out((8.5, 0.0), (13.0, 4.0), (16.9, 0.0))
    end = pytest.approx(16.9 + 1.1)
    driven = renewed_and_running_out_again.sees_the_rival_go(17.0)
    assert driven.reads(17.1, MINE, term=LATER_TERM).candidate.held_until == end


def test_a_look_at_a_lease_that_is_old_says_nothing_of_its_end() -> None:
    driven = running_out((9.0, 0.0)).sees_the_rival_go(10.0)
    assert driven.reads(10.1, MINE, term=LATER_TERM).candidate.held_until == 10.0 + TTL + MARGIN


def test_a_look_at_another_lease_says_nothing() -> None:
    driven = Driven().feed(9.0, Probed(Probe(0xE, TTL, 0.0, 9.0))).sees_the_rival_go(9.1)
    assert driven.reads(9.2, MINE, term=LATER_TERM).candidate.held_until == 9.1 + TTL + MARGIN


def test_a_lease_that_runs_out_is_looked_at_again_and_again() -> None:
    driven = Driven().feed(3.0, Renewed(renewal(0xA, 2.9, LATER_TERM)))
    assert driven.feed(3.1, Probed(Probe(RIVAL.lease_id, TTL, 8.0, 3.05))).effects == ()
    again = ProbeLease(RIVAL.lease_id, PROBE_AGAIN_SECONDS)
    assert driven.feed(6.1, Probed(Probe(RIVAL.lease_id, TTL, 4.0, 6.0))).effects == (again,)
    assert driven.feed(6.2, Renewed(renewal(0xA, 6.15, LATER_TERM))).effects == (), "one look after another"
    assert driven.feed(6.4, Probed(Probe(RIVAL.lease_id, TTL, 9.0, 6.35))).effects == ()


def test_a_lease_that_ends_while_it_was_being_renewed_is_not() -> None:
    driven = Driven().feed(7.0, Probed(Probe(RIVAL.lease_id, TTL, left_seconds=8.0, asked_at=7.0)))
    assert driven.sees_the_rival_go(7.1).reads(7.2, MINE, term=LATER_TERM).candidate.holds_off(7.2)


def test_a_lease_that_ends_before_it_ran_out_is_not() -> None:
    driven = Driven().feed(7.0, Probed(Probe(RIVAL.lease_id, TTL, left_seconds=2.0, asked_at=7.0)))
    assert driven.sees_the_rival_go(8.9).reads(9.0, MINE, term=LATER_TERM).candidate.holds_off(9.0)


def test_the_leaders_lease_is_looked_at_by_the_next_in_line_alone_and_only_after_a_change_of_term() -> None:
    assert Driven().feed(3.0, Renewed(renewal(0xA, 2.9))).effects == ()
    assert Driven().feed(3.0, Renewed(renewal(0xA, 2.9, LATER_TERM))).effects == (ProbeLease(RIVAL.lease_id),)
    between = LockKey(f"{LOCK}/d", 13, 13, 0xD, "between")
    third = Driven()
    third.candidate, _ = step(third.candidate, Tick(), 70.0, 0.5)
    view = QueueView(Header(1, 1, 30, GRANTED_IN), RIVAL, MINE, between, 3, past=Past(RECORD))
    third.feed(70.1, Looked(view))
    assert third.feed(71.0, Renewed(renewal(0xA, 70.9, LATER_TERM))).effects == ()


def test_a_leadership_is_recorded_once_with_its_first_confirmation_and_again_while_etcd_is_full() -> None:
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=GRANTED_IN)
    record = Confirm(Leadership(15, GRANTED_IN, TTL))
    assert driven.candidate.asked is not None
    assert driven.candidate.asked.question == record
    driven.feed(5.2, Confirmed(Header(1, 1, 31, GRANTED_IN), MINE, recorded=False))
    assert driven.feed(8.0, Renewed(renewal(0xA, 7.9))).effects == (record,)
    driven.feed(8.1, Confirmed(Header(1, 1, 32, GRANTED_IN), MINE, recorded=True))
    assert driven.feed(11.0, Renewed(renewal(0xA, 10.9))).effects == (Confirm(),)


def test_only_the_release_of_a_lead_with_its_work_finished_is_marked() -> None:
    waiting = Driven().feed(1.0, StepDown(Reason.TERMINATED, Phase.STOPPED))
    assert waiting.effects == (Release(15),)
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=GRANTED_IN)
    driven.feed(5.2, Confirmed(Header(1, 1, 31, GRANTED_IN), MINE, recorded=True))
    driven.feed(6.0, StepDown(Reason.RESIGNED, Phase.CLAIMING))
    assert driven.feed(6.1, Finished()).effects == (Release(15, marked=True),)
    assert driven.feed(6.2, Released()).candidate.phase is Phase.CLAIMING


def test_a_lead_that_somebody_took_by_hand_leaves_no_mark() -> None:
    driven = Driven().sees_the_rival_go(5.0).reads(5.1, MINE, term=GRANTED_IN)
    driven.feed(5.2, Confirmed(Header(1, 1, 31, GRANTED_IN), MINE, recorded=True))
    moved = LockKey(MINE.name, 15, 33, 0, "me")
    assert driven.feed(6.0, KeyChanged(MINE.name, 33, moved)).effects == (Release(15),)


@given(st.integers(1, 2**62), st.integers(0, 2**40), st.floats(2, 3600), st.integers(1, 2**62))
def test_what_is_recorded_is_read_back(token: int, term: int, ttl: float, released: int) -> None:
    leadership = Leadership(token, term, ttl)
    assert read_past(write_leadership(leadership), str(released)) == Past(leadership, released)


@pytest.mark.parametrize("text", [None, "", "x", "[]", "{}", '{"token": null}', '{"token": 1, "raft_term": "x"}', "7"])
def test_what_cannot_be_read_counts_as_not_there(text: str | None) -> None:
    assert read_past(text, "x") == Past()


def test_the_first_notice_of_an_end_stands_and_only_the_newest_are_kept() -> None:
    ended: tuple[Ended, ...] = ()
    for token in range(9):
        ended = noticed(noticed(ended, Ended(token, 1.0)), Ended(token, 2.0))
    assert ended == tuple(Ended(token, 1.0) for token in (5, 6, 7, 8))


def test_the_longer_of_two_waits_counts() -> None:
    past, ended = Past(RECORD), (Ended(12, 5.0), Ended(14, 6.0))  # a Go program led after the sidecar
    waits = {
        hold_off: verdict_waits_until(past, ended, own=0, raft_term=LATER_TERM, hold_off_seconds=hold_off)
        for hold_off in (0.0, 3.0, 30.0)
    }
    assert waits == {0.0: 16.0, 3.0: 16.0, 30.0: 36.0}


def test_a_run_that_resumed_does_not_wait_for_its_own_lead_and_leaves_the_record_as_it_is() -> None:
    driven = Driven()
    driven.candidate = Candidate(LOCK)
    driven.feed(50.0, SessionOpened(renewal(0xA, 50.0, LATER_TERM), resumed=True))
    driven.feed(50.1, Claimed(Header(1, 1, 20, LATER_TERM), MINE, None))
    driven.reads(50.2, MINE, term=LATER_TERM, past=Past(Leadership(MINE.create_revision, GRANTED_IN, TTL)))
    assert driven.candidate.leads(50.2)
    assert driven.candidate.recorded


def test_a_run_that_resumed_as_a_waiter_records_that_nobody_knows_when_its_lease_was_granted() -> None:
    driven = Driven()
    driven.candidate = Candidate(LOCK)
    driven.feed(50.0, SessionOpened(renewal(0xA, 50.0, LATER_TERM), resumed=True))
    driven.feed(50.1, Claimed(Header(1, 1, 20, LATER_TERM), MINE, None))
    driven.reads(50.2, MINE, term=LATER_TERM, past=Past(RECORD, released=12))
    assert driven.candidate.asked is not None
    assert driven.candidate.asked.question == Confirm(Leadership(MINE.create_revision, UNKNOWN_TERM, TTL))
