"""When the label is looked at again, and how long a failure backs off."""

import pytest

from sidecar.election.label import Failure
from sidecar.election.label_timing import backoff_seconds, careful_looks, hold_seconds, resync_seconds

ALMOST = 1 - 1e-9


@pytest.mark.parametrize(("leads", "seconds"), [(True, 60), (False, 300)])
def test_the_resync_is_spread_by_a_fifth_to_both_sides(*, leads: bool, seconds: float) -> None:
    assert resync_seconds(leads=leads, chance=0.0) == pytest.approx(0.8 * seconds)
    assert resync_seconds(leads=leads, chance=0.5) == pytest.approx(seconds)
    assert resync_seconds(leads=leads, chance=ALMOST) == pytest.approx(1.2 * seconds)


def test_careful_looks_come_soon_and_outlast_a_request() -> None:
    looks = careful_looks(100.0, 0.0)
    assert looks[0] - 100 <= 1
    assert looks[-1] - 100 >= 60
    assert list(looks) == sorted(looks)


def test_a_first_conflict_is_answered_at_once_and_a_storm_is_not() -> None:
    assert backoff_seconds(Failure.CONFLICT, 1, ALMOST, leads=False) == 0
    assert backoff_seconds(Failure.CONFLICT, 2, 0.0, leads=False) > 0
    assert backoff_seconds(Failure.CONFLICT, 50, ALMOST, leads=False) <= 1


@pytest.mark.parametrize("failure", list(Failure))
def test_backing_off_grows_to_a_bound_and_is_jittered(failure: Failure) -> None:
    waits = [backoff_seconds(failure, number, ALMOST, leads=False) for number in range(2, 200)]
    assert waits == sorted(waits)
    assert waits[-1] <= 60
    assert backoff_seconds(failure, 5, 0.0, leads=False) == pytest.approx(
        backoff_seconds(failure, 5, ALMOST, leads=False) / 2
    )


def test_a_hold_is_tried_again_soon_and_then_every_few_seconds() -> None:
    assert hold_seconds(1, ALMOST) < 0.3
    assert 5 <= hold_seconds(1000, 0.0) <= hold_seconds(1000, ALMOST) <= 10


def test_a_leader_tries_an_api_server_that_is_away_at_least_every_two_seconds() -> None:
    assert backoff_seconds(Failure.LOST, 50, ALMOST, leads=True) <= 2
    assert backoff_seconds(Failure.LOST, 50, ALMOST, leads=False) > 2
