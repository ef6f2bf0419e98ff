"""The election's rules, one promise a test: what a candidate concludes from what etcd says, and what it asks next."""

from dataclasses import replace

import pytest

from sidecar.election.candidate import NEVER, Candidate
from sidecar.election.events import (
    Claim,
    Claimed,
    ClockJumped,
    Confirm,
    Confirmed,
    Effect,
    Event,
    Finished,
    KeyChanged,
    Look,
    Looked,
    Phase,
    Release,
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
from sidecar.election.queue import Header, LockKey, QueueView
from sidecar.election.transitions import TABLE, IllegalTransition, step
from sidecar.election.verdict import Reason, State

LOCK, LEASE, TTL = "/l", 0xA, 10.0
MINE, OTHER = f"{LOCK}/a", f"{LOCK}/b"


def header(revision: int = 20, term: int = 2) -> Header:
    return Header(1, 1, revision, term)


def renewal(sent_at: float = 0.0, term: int = 2, lease_id: int = LEASE) -> Renewal:
    return Renewal(lease_id, TTL, sent_at, header(10, term))


def key(name: str = MINE, revision: int = 15, lease_id: int = LEASE) -> LockKey:
    return LockKey(name, revision, revision, lease_id, "pod")


OTHERS = key(OTHER, 12, 0xB)


def view(first: LockKey | None, mine: LockKey | None, ahead: LockKey | None = None, term: int = 2) -> QueueView:
    return QueueView(header(20, term), first, mine, ahead, count=2)


class Driven:
    """A candidate and what it asked last."""

    def __init__(self) -> None:
        self.candidate = Candidate(LOCK)
        self.effects: tuple[Effect, ...] = ()

    def feed(self, event: Event, now: float = 1.0) -> "Driven":
        self.candidate, self.effects = step(self.candidate, event, now, 0.5)
        return self


def claiming() -> Driven:
    return Driven().feed(SessionOpened(renewal()), 0.1)


def looking() -> Driven:
    return claiming().feed(Claimed(header(), key(), None), 0.2)


def waiting() -> Driven:
    return looking().feed(Looked(view(OTHERS, key(), OTHERS)), 0.3)


def leading() -> Driven:
    """With the leadership on record."""
    return looking().feed(Looked(view(key(), key())), 0.3).feed(Confirmed(header(), key(), recorded=True), 0.3)


def test_a_session_leads_to_a_claim() -> None:
    assert claiming().effects == (Claim(with_queue=False),)


def test_a_claim_alone_does_not_lead_it_is_followed_by_a_read_of_the_queue() -> None:
    driven = looking()
    assert driven.effects == (Look(15),)
    assert not driven.candidate.leads(0.2)


def test_first_with_my_revision_on_a_renewal_of_the_same_term_leads() -> None:
    driven = leading()
    assert driven.candidate.leads(0.3)
    assert driven.candidate.revision == 15


def test_the_queue_read_along_with_the_claim_can_win_at_once() -> None:
    driven = claiming().feed(Claimed(header(), key(), view(key(), key())), 0.2)
    assert driven.candidate.leads(0.2)


def test_leadership_ends_with_the_validity_counted_from_when_the_renewal_was_sent_less_the_margin() -> None:
    candidate = leading().candidate
    assert candidate.valid_until == 0.0 + TTL - 1.0
    assert candidate.leads(8.999)
    assert not candidate.leads(9.0)
    assert candidate.state(9.0) is State.UNCONFIRMED


def test_nobody_ahead_does_not_lead_when_my_own_key_is_gone() -> None:
    driven = looking().feed(Looked(view(None, None)), 0.3)
    assert driven.candidate.phase is Phase.CLAIMING
    assert driven.effects == (Claim(with_queue=False),)


def test_my_name_with_another_revision_does_not_lead_and_that_key_is_deleted() -> None:
    driven = looking().feed(Looked(view(key(revision=19), key(revision=19))), 0.3)
    assert driven.effects == (Release(19),)
    assert driven.feed(Released(), 0.4).effects == ()
    assert driven.feed(Tick(), 0.5).effects == (Claim(with_queue=False),)


def test_my_key_attached_to_another_lease_does_not_lead_and_is_deleted() -> None:
    moved = key(lease_id=0)
    driven = looking().feed(Looked(view(moved, moved)), 0.3)
    assert not driven.candidate.leads(0.3)
    assert driven.effects == (Release(15),)


def test_a_first_place_seen_in_another_term_than_the_renewal_does_not_lead_but_renews_and_reads_again() -> None:
    driven = looking().feed(Looked(view(key(), key(), term=3)), 0.3)
    assert not driven.candidate.leads(0.3)
    assert driven.effects == (RenewNow(),)
    assert driven.feed(Renewed(renewal(0.4, term=3)), 0.5).effects == (Look(15),)
    assert driven.feed(Looked(view(key(), key(), term=3)), 0.6).candidate.leads(0.6)


def test_a_renewal_alone_does_not_prolong_a_leadership_and_asks_for_its_confirmation() -> None:
    driven = leading().feed(Renewed(renewal(3.0)), 3.1)
    assert driven.effects == (Confirm(),)
    assert driven.candidate.valid_until == 9.0


def test_a_confirmed_renewal_prolongs_the_leadership_from_when_it_was_sent() -> None:
    driven = leading().feed(Renewed(renewal(3.0)), 3.1).feed(Confirmed(header(), key()), 3.2)
    assert driven.candidate.valid_until == 12.0
    assert driven.effects == ()


def test_a_renewal_acknowledged_by_an_older_etcd_leader_is_not_believed() -> None:
    driven = leading().feed(Renewed(renewal(3.0, term=2)), 3.1).feed(Confirmed(header(term=3), key()), 3.2)
    assert driven.candidate.valid_until == 9.0
    assert driven.effects == (RenewNow(),)


def test_a_read_confirms_only_renewals_answered_before_it_was_asked() -> None:
    driven = leading().feed(Renewed(renewal(3.0)), 3.1).feed(Renewed(renewal(6.0)), 6.1)
    driven.feed(Confirmed(header(), key()), 6.2)
    assert driven.candidate.valid_until == 12.0
    assert driven.effects == (Confirm(),)


def test_my_key_deleted_ends_the_leadership_at_once_and_rejoins() -> None:
    driven = leading().feed(KeyChanged(MINE, 30, None), 2.0)
    assert not driven.candidate.leads(2.0)
    assert driven.candidate.reason is Reason.KEY_LOST
    assert driven.effects == (Claim(with_queue=True),)


def test_my_key_overwritten_without_my_lease_ends_the_leadership_and_is_deleted() -> None:
    overwritten = LockKey(MINE, 15, 30, 0, "somebody")
    driven = leading().feed(KeyChanged(MINE, 30, overwritten), 2.0)
    assert not driven.candidate.leads(2.0)
    assert driven.effects == (Release(15),)


def test_an_echo_of_my_own_claim_changes_nothing() -> None:
    driven = leading().feed(KeyChanged(MINE, 15, key()), 2.0)
    assert driven.candidate.leads(2.0)


def test_my_key_deleted_while_the_claim_was_out_is_not_overlooked() -> None:
    driven = claiming().feed(KeyChanged(MINE, 21, None), 0.2)
    driven.feed(Claimed(header(), key(), view(key(), key())), 0.3)
    assert not driven.candidate.leads(0.3)
    assert driven.effects == (Look(15),)


def test_a_waiter_watches_its_own_key_and_the_one_ahead_from_the_revision_after_the_read() -> None:
    assert waiting().candidate.watches() == {MINE: 11, OTHER: 21}


def test_a_waiter_reads_the_queue_when_the_one_ahead_goes() -> None:
    driven = waiting().feed(KeyChanged(OTHER, 30, None), 2.0)
    assert driven.effects == (Look(15),)
    assert driven.candidate.first is None


def test_a_waiter_reads_the_queue_again_after_about_a_minute_since_a_watch_can_stall() -> None:
    driven = waiting()
    due = driven.candidate.due(0.3)
    assert 45.0 <= due - 0.3 <= 75.0
    assert driven.feed(Tick(), due).effects == (Look(15),)


def test_a_broken_watch_is_followed_by_a_read_and_a_new_watch_from_there() -> None:
    driven = waiting().feed(WatchBroke(OTHER), 2.0)
    assert OTHER not in driven.candidate.watches()
    driven.feed(Tick(), 3.0)
    assert driven.effects == (Look(15),)
    seen = replace(view(OTHERS, key(), OTHERS), header=header(40))
    assert driven.feed(Looked(seen), 3.1).candidate.watches()[OTHER] == 41


def test_the_new_leaders_name_is_read_once_later_by_those_who_do_not_stand_next() -> None:
    middle = key(f"{LOCK}/c", 13, 0xC)
    driven = looking().feed(Looked(replace(view(OTHERS, key(), middle), count=1000)), 0.3)
    driven.feed(KeyChanged(OTHER, 30, None), 2.0)
    assert driven.candidate.first is None
    assert driven.effects == ()
    assert 2.0 < driven.candidate.due(2.0) <= 12.0


def test_a_leader_that_went_while_the_claim_was_out_is_watched_anew_from_the_claims_answer() -> None:
    driven = waiting().feed(KeyChanged(MINE, 30, None), 2.0)
    driven.feed(Tick(), driven.candidate.due(2.0))
    assert driven.effects == (Claim(with_queue=True),)
    driven.feed(KeyChanged(OTHER, 41, None), 2.1)
    assert OTHER not in driven.candidate.watches()
    mine = key(revision=40)
    seen = QueueView(header(40), OTHERS, mine, OTHERS, count=2)
    driven.feed(Claimed(header(40), mine, seen), 2.2)
    assert driven.candidate.watches()[OTHER] == 41


def test_an_unanswered_claim_is_put_again_as_it_was() -> None:
    driven = claiming().feed(Unanswered(), 0.2)
    assert driven.effects == ()
    assert driven.feed(Tick(), driven.candidate.due(0.2)).effects == (Claim(with_queue=False),)


def test_a_late_claim_of_one_who_stands_out_is_deleted() -> None:
    driven = claiming().feed(StepDown(Reason.POD_GONE, Phase.STANDING_OUT), 0.2)
    driven.feed(Claimed(header(), key(), None), 0.3)
    assert driven.effects == (Release(15),)


def test_a_late_claim_that_only_the_watch_shows_is_deleted() -> None:
    driven = claiming().feed(StepDown(Reason.POD_GONE, Phase.STANDING_OUT), 0.2).feed(Unanswered(), 0.3)
    driven.feed(KeyChanged(MINE, 15, key()), 0.4)
    assert driven.candidate.phase is Phase.RELEASING


def standing_out() -> Driven:
    driven = waiting().feed(StepDown(Reason.UNHEALTHY, Phase.STANDING_OUT), 1.0)
    return driven.feed(Released(), 1.1)


def test_one_who_stands_out_claims_again_only_when_its_reason_is_over() -> None:
    driven = standing_out()
    assert driven.feed(Tick(), 60.0).effects == (Look(None),)
    driven.feed(Looked(view(OTHERS, None)), 60.1)
    assert driven.feed(StandIn(), 61.0).effects == (Claim(with_queue=True),)


def test_one_who_stands_in_while_its_read_is_out_claims_when_that_is_answered() -> None:
    driven = standing_out().feed(Tick(), 60.0)
    assert driven.feed(StandIn(), 60.05).effects == ()
    assert driven.feed(Looked(view(OTHERS, None)), 60.1).effects == (Claim(with_queue=True),)


def test_one_who_stands_in_without_a_session_claims_with_its_next() -> None:
    driven = Driven().feed(StepDown(Reason.UNHEALTHY, Phase.STANDING_OUT), 0.1).feed(StandIn(), 0.2)
    assert driven.feed(SessionOpened(renewal()), 0.3).effects == (Claim(with_queue=False),)


def test_one_whose_reason_is_over_before_its_key_is_gone_rejoins_when_it_is() -> None:
    driven = leading().feed(StepDown(Reason.UNHEALTHY, Phase.STANDING_OUT), 2.0).feed(StandIn(), 2.1)
    assert driven.candidate.phase is Phase.DRAINING
    driven.feed(Finished(), 3.0).feed(Released(), 3.1)
    assert driven.feed(Tick(), 3.2).effects == (Claim(with_queue=True),)


def test_one_who_leaves_for_good_does_not_stand_in_again() -> None:
    driven = leading().feed(StepDown(Reason.TERMINATED, Phase.STOPPED), 2.0).feed(StandIn(), 2.1)
    driven.feed(Finished(), 3.0).feed(Released(), 3.1).feed(StandIn(), 3.2)
    assert driven.candidate.phase is Phase.STOPPED


def test_stepping_down_ends_the_verdict_first_and_keeps_the_key_until_the_workload_finished() -> None:
    driven = leading().feed(StepDown(Reason.RESIGNED, Phase.CLAIMING), 2.0)
    assert not driven.candidate.leads(2.0)
    assert driven.effects == ()
    assert driven.feed(Finished(), 3.0).effects == (Release(15, marked=True),)
    assert driven.feed(Released(), 3.1).effects == ()
    assert driven.feed(Tick(), 3.2).effects == (Claim(with_queue=True),)


def test_one_who_leaves_for_good_claims_no_more() -> None:
    driven = leading().feed(StepDown(Reason.TERMINATED, Phase.STOPPED), 2.0).feed(Finished(), 2.1).feed(Released(), 2.2)
    assert driven.candidate.phase is Phase.STOPPED
    assert driven.effects == ()
    assert driven.candidate.due(2.2) == NEVER


def test_a_lease_lost_ends_everything_and_a_fresh_one_starts_at_the_tail() -> None:
    driven = leading().feed(SessionLost(Reason.LEASE_LOST), 2.0)
    assert not driven.candidate.leads(2.0)
    assert driven.candidate.reason is Reason.LEASE_LOST
    driven.feed(SessionOpened(renewal(3.0, lease_id=0xF)), 3.0)
    assert driven.effects == (Claim(with_queue=True),)


def test_a_lease_lost_while_draining_ends_the_drain() -> None:
    driven = leading().feed(StepDown(Reason.TERMINATED, Phase.STOPPED), 2.0).feed(SessionLost(Reason.LEASE_LOST), 2.1)
    assert driven.candidate.phase is Phase.STOPPED


def test_an_answer_for_an_older_lease_does_not_count() -> None:
    driven = looking().feed(SessionLost(Reason.LEASE_LOST), 0.3)
    driven.feed(SessionOpened(renewal(0.4, lease_id=0xF)), 0.4)
    assert driven.effects == ()  # the read of the old session is still out
    assert driven.feed(Looked(view(key(), key())), 0.5).effects == (Claim(with_queue=False),)
    assert not driven.candidate.leads(0.5)


def test_wall_time_that_gains_ends_the_verdict_until_a_renewal_sent_afterwards_is_confirmed() -> None:
    driven = leading().feed(Renewed(renewal(2.0)), 2.1).feed(ClockJumped(), 3.0)
    assert not driven.candidate.leads(3.0)
    assert RenewNow() in driven.effects
    driven.feed(Confirmed(header(), key()), 3.1)
    assert not driven.candidate.leads(3.1)
    driven.feed(Renewed(renewal(3.2)), 3.3).feed(Confirmed(header(), key()), 3.4)
    assert driven.candidate.leads(3.4)


def test_past_its_validity_the_same_leadership_goes_on_with_the_same_token_once_confirmed() -> None:
    driven = leading()
    assert not driven.candidate.leads(100.0)
    driven.feed(Renewed(renewal(100.0)), 100.1).feed(Confirmed(header(), key()), 100.2)
    assert driven.candidate.leads(100.2)
    assert driven.candidate.revision == 15


def test_a_leader_without_a_confirmed_renewal_for_half_the_ttl_is_at_risk_and_still_leads() -> None:
    candidate = leading().candidate
    assert not candidate.at_risk(5.0)
    assert candidate.at_risk(5.1)
    assert candidate.leads(5.1)


def test_a_read_answered_before_a_long_pause_does_not_lead_after_it() -> None:
    assert not looking().feed(Looked(view(key(), key())), 60.0).candidate.leads(60.0)


def test_an_event_that_cannot_happen_raises_and_changes_nothing() -> None:
    candidate = waiting().candidate
    with pytest.raises(IllegalTransition):
        step(candidate, SessionOpened(renewal()), 1.0, 0.5)
    assert candidate == waiting().candidate


def test_every_phase_has_a_row_for_whatever_etcd_or_the_clock_may_bring() -> None:
    answers = (Claimed, Looked, Confirmed, Released, Surveyed, Shifted, Unanswered)
    outside = (Renewed, SessionLost, *answers, KeyChanged, WatchBroke)
    for phase in Phase:
        for event in (*outside, ClockJumped, StepDown, StandIn, TransferRequested, Finished, Tick):
            assert (phase, event) in TABLE
