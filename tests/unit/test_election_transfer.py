"""Handing the lead over: who may be meant, which keys go in which transaction, and what a candidate does when."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sidecar.election.candidate import Candidate
from sidecar.election.events import (
    Claim,
    Claimed,
    Confirmed,
    Effect,
    Event,
    Finished,
    KeyChanged,
    Looked,
    Phase,
    Release,
    Released,
    SessionLost,
    SessionOpened,
    Shift,
    Shifted,
    StepDown,
    Survey,
    Surveyed,
    Tick,
    TransferRequested,
    Unanswered,
)
from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey, QueueView, key_name
from sidecar.election.transfer import MOST_AT_ONCE, find_heir, immovable, shifts
from sidecar.election.transitions import step
from sidecar.election.verdict import Reason, State
from sidecar.errors import CannotTransfer, UnknownCandidate

LOCK = "/l"


def key(place: int, name: str | None = None) -> LockKey:
    """The candidate in this place, 1 the first."""
    return LockKey(key_name(LOCK, place), 100 + place, 100 + place, place, f"pod-{place}" if name is None else name)


def queue(length: int) -> tuple[LockKey, ...]:
    return tuple(key(place) for place in range(1, length + 1))


def sidecars(*keys: LockKey) -> frozenset[str]:
    return frozenset(f"{key.lease_id:x}" for key in keys)


MINE = key(1)
ME = (MINE.name, MINE.create_revision)


# whom -----------------------------------------------------------------------------------------------------------------


def test_a_candidate_is_found_by_its_name() -> None:
    assert find_heir(LOCK, queue(3), MINE.name, "pod-3") == key(3)


@pytest.mark.parametrize("name", ["", "pod-1"], ids=["that has no name", "whose name is not the only one"])
def test_a_candidate_is_found_by_its_lease(name: str) -> None:
    assert find_heir(LOCK, (MINE, key(2), key(0xAB, name)), MINE.name, "ab") == key(0xAB, name)


def test_a_name_wins_over_a_lease() -> None:
    assert find_heir(LOCK, (MINE, key(2, "3"), key(3)), MINE.name, "3") == key(2, "3")


def test_nobody_of_that_name_is_unknown() -> None:
    with pytest.raises(UnknownCandidate, match="pod-9"):
        find_heir(LOCK, queue(3), MINE.name, "pod-9")


def test_two_of_that_name_are_told_apart_by_their_leases() -> None:
    with pytest.raises(CannotTransfer, match="by its id, 2, 3"):
        find_heir(LOCK, (MINE, key(2, "x"), key(3, "x")), MINE.name, "x")


def test_the_leader_is_not_its_own_heir() -> None:
    with pytest.raises(CannotTransfer, match="leads already"):
        find_heir(LOCK, queue(3), MINE.name, "pod-1")


def test_an_older_lease_of_the_leaders_own_name_can_be_meant() -> None:
    assert find_heir(LOCK, (MINE, key(2, "pod-1")), MINE.name, "pod-1") == key(2, "pod-1")


# which keys -----------------------------------------------------------------------------------------------------------


def test_the_second_becomes_the_first_by_my_key_going_alone() -> None:
    assert shifts(LOCK, queue(3), frozenset(), ME, key(2)) == (Shift(kept=(key(2),), gone=(MINE,), marked=True),)


def test_all_between_go_with_my_key_in_one_transaction_that_compares_the_heirs_as_well() -> None:
    everybody = queue(5)
    wanted = (Shift(kept=(key(4),), gone=(MINE, key(2), key(3)), marked=True),)
    assert shifts(LOCK, everybody, sidecars(*everybody), ME, key(4)) == wanted


def test_a_key_between_that_is_no_sidecars_is_never_deleted() -> None:
    everybody = queue(5)
    known = sidecars(*everybody) - sidecars(key(3))
    assert immovable(LOCK, everybody, known, key(5)) == [key(3)]
    assert shifts(LOCK, everybody, known, ME, key(5)) == ()


def test_a_program_that_is_no_sidecar_can_be_the_heir_and_may_stand_behind() -> None:
    everybody = queue(5)
    assert shifts(LOCK, everybody, sidecars(key(2)), ME, key(3)) == (Shift((key(3),), (MINE, key(2)), marked=True),)


@pytest.mark.parametrize(
    "seen",
    [
        (MINE, key(2)),
        (MINE, key(2), replace(key(3), create_revision=900)),
        (key(2), key(3)),
        (key(0), MINE, key(2), key(3)),
        (replace(MINE, create_revision=99), key(2), key(3)),
        (key(3),),
    ],
    ids=["heir gone", "heir anew", "mine gone", "not the first", "mine anew", "heir first"],
)
def test_a_queue_that_is_another_by_now_is_left_alone(seen: tuple[LockKey, ...]) -> None:
    assert shifts(LOCK, seen, sidecars(*seen), ME, key(3)) == ()


@pytest.mark.parametrize("waiting", [99, 100, 101, 198, 250, 350])
def test_however_many_wait_between_each_goes_once_in_transactions_that_etcd_takes(waiting: int) -> None:
    everybody = queue(waiting + 2)
    heir = everybody[-1]
    *early, last = shifts(LOCK, everybody, sidecars(*everybody), ME, heir)
    assert last.gone[0] == MINE
    assert all(batch.kept == (MINE, heir) for batch in early)
    gone = [key for batch in (*early, last) for key in batch.gone]
    assert sorted(gone, key=lambda key: key.create_revision) == list(everybody[:-1])
    assert all(0 < len(batch.gone) <= MOST_AT_ONCE + 1 for batch in (*early, last))
    assert len(early) == -(-max(0, waiting - MOST_AT_ONCE) // MOST_AT_ONCE)


# when -----------------------------------------------------------------------------------------------------------------


class Driven:
    def __init__(self) -> None:
        self.candidate = Candidate(LOCK)
        self.effects: tuple[Effect, ...] = ()

    def feed(self, event: Event, now: float = 1.0) -> "Driven":
        self.candidate, self.effects = step(self.candidate, event, now, 0.5)
        return self


def leading() -> Driven:
    header = Header(1, 1, 200, 2)
    driven = Driven().feed(SessionOpened(Renewal(1, 10.0, 0.0, header)))
    driven.feed(Claimed(header, MINE, None))
    driven.feed(Looked(QueueView(header, MINE, MINE, None, 3)))
    return driven.feed(Confirmed(header, MINE, recorded=True))


def draining() -> Driven:
    return leading().feed(TransferRequested(key(3)))


def surveying() -> Driven:
    return draining().feed(Finished())


def shifting(length: int = 3) -> Driven:
    everybody = queue(length)
    heir = everybody[-1]
    driven = leading().feed(TransferRequested(heir)).feed(Finished())
    return driven.feed(Surveyed(everybody, sidecars(*everybody)))


def test_a_transfer_ends_the_verdict_first_and_keeps_the_key_until_the_workload_finished() -> None:
    driven = draining()
    assert not driven.candidate.leads(1.0)
    assert (driven.candidate.phase, driven.candidate.reason) == (Phase.DRAINING, Reason.TRANSFERRED)
    assert driven.effects == ()
    assert surveying().effects == (Survey(),)
    assert surveying().candidate.state(1.0) is State.DRAINING


def test_the_keys_go_as_the_queue_is_after_the_drain_and_this_candidate_rejoins_a_little_later() -> None:
    driven = shifting()
    assert driven.effects == (Shift(kept=(key(3),), gone=(MINE, key(2)), marked=True),)
    assert driven.feed(Shifted(done=True)).effects == ()
    assert driven.candidate.passed_to == key(3)
    assert driven.feed(Tick(), 1.1).effects == (Claim(with_queue=True),)


def planned(seconds: float) -> Driven:
    """The drain of a transfer that was planned took so long."""
    driven = leading().feed(TransferRequested(key(3), shifts(LOCK, queue(3), sidecars(*queue(3)), ME, key(3))), 2.0)
    return driven.feed(Finished(), 2.0 + seconds)


def test_without_a_drain_to_speak_of_the_queue_is_not_read_a_second_time() -> None:
    assert planned(0.2).effects == (Shift(kept=(key(3),), gone=(MINE, key(2)), marked=True),)


def test_after_a_drain_the_queue_is_read_again() -> None:
    assert planned(0.3).effects == (Survey(),)


def test_a_plan_that_has_come_to_nothing_is_an_ordinary_release() -> None:
    driven = planned(0.0).feed(Shifted(done=False), 2.1)
    assert driven.effects == (Release(MINE.create_revision, marked=True),)


def test_a_long_queue_goes_in_several_steps_my_key_in_the_last() -> None:
    driven = shifting(150)
    assert MINE in driven.effects[0].kept  # type: ignore[union-attr]
    driven.feed(Shifted(done=True))
    assert driven.candidate.phase is Phase.PASSING_ON
    assert MINE in driven.effects[0].gone  # type: ignore[union-attr]
    assert driven.feed(Shifted(done=True)).candidate.passed_to == key(150)


def test_an_heir_that_left_during_the_drain_makes_it_an_ordinary_release() -> None:
    driven = surveying().feed(Surveyed(queue(2), sidecars(*queue(2))))
    assert driven.effects == (Release(MINE.create_revision, marked=True),)
    assert driven.feed(Released()).candidate.passed_to is None


@pytest.mark.parametrize("length", [3, 150], ids=["the only one", "the first of several"])
def test_a_comparison_that_fails_makes_it_an_ordinary_release(length: int) -> None:
    driven = shifting(length).feed(Shifted(done=False))
    assert driven.effects == (Release(MINE.create_revision, marked=True),)
    assert driven.feed(Released()).candidate.passed_to is None


@pytest.mark.parametrize("begin", [surveying, shifting], ids=["survey", "shift"])
def test_a_question_without_an_answer_makes_it_an_ordinary_release(begin: Callable[[], Driven]) -> None:
    driven = begin().feed(Unanswered())
    assert driven.candidate.phase is Phase.RELEASING
    assert driven.feed(Tick(), 2.0).effects == (Release(MINE.create_revision, marked=True),)


def test_one_told_to_end_while_it_passes_on_still_passes_on_and_then_stops() -> None:
    driven = shifting().feed(StepDown(Reason.TERMINATED, Phase.STOPPED))
    driven.feed(Shifted(done=True))
    assert (driven.candidate.phase, driven.candidate.passed_to) == (Phase.STOPPED, key(3))


def test_a_lease_lost_while_it_passes_on_ends_it() -> None:
    driven = shifting().feed(SessionLost(Reason.LEASE_LOST))
    assert (driven.candidate.phase, driven.candidate.passed_to) == (Phase.CONNECTING, None)


def test_the_deletion_of_my_key_seen_before_the_answer_changes_nothing() -> None:
    driven = shifting().feed(KeyChanged(MINE.name, 300, None))
    assert driven.feed(Shifted(done=True)).candidate.passed_to == key(3)


def test_a_second_transfer_does_not_take_the_first_ones_success_for_its_own() -> None:
    driven = shifting().feed(Shifted(done=True)).feed(Tick(), 1.1)
    header, again = Header(1, 1, 400, 2), replace(MINE, create_revision=400)
    driven.feed(Claimed(header, again, QueueView(header, again, again, None, 1)), 1.2)
    assert driven.feed(TransferRequested(key(3)), 1.3).candidate.passed_to is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.LEADING])
def test_without_a_lead_there_is_nothing_to_hand_over(phase: Phase) -> None:
    candidate = replace(Candidate(LOCK), phase=phase)
    assert step(candidate, TransferRequested(key(3)), 1.0, 0.5)[0] == candidate


def test_those_who_were_passed_over_do_not_all_rejoin_at_once() -> None:
    header = Header(1, 1, 200, 2)
    driven = Driven().feed(SessionOpened(Renewal(2, 10.0, 0.0, header)))
    driven.feed(Claimed(header, key(2), None))
    driven.feed(Looked(QueueView(header, MINE, key(2), MINE, 200)))
    driven.feed(KeyChanged(key(2).name, 300, None))
    assert driven.candidate.phase is Phase.CLAIMING
    assert driven.effects == ()
    assert 1.5 < driven.candidate.due(1.0) < 3.0
