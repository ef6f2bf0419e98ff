"""Which answers belong to the history seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.election.history import Fit, History, judge
from sidecar.election.queue import Header

SEEN = History(cluster_id=7, revision=100, epoch=0)


def header(revision: int, cluster_id: int = 7) -> Header:
    return Header(cluster_id, member_id=1, revision=revision, raft_term=1)


@pytest.mark.parametrize(
    ("at_send", "answer", "linearizable", "fit", "after"),
    [
        pytest.param(History(), header(5), True, Fit.FITS, History(7, 100), id="asked before anything was seen"),
        pytest.param(SEEN, header(100), True, Fit.FITS, SEEN, id="nothing happened since"),
        pytest.param(SEEN, header(101), True, Fit.FITS, History(7, 101), id="something happened since"),
        pytest.param(History(7, 90), header(95), True, Fit.FITS, SEEN, id="overtaken by a later answer"),
        pytest.param(SEEN, header(99), True, Fit.WENT_BACK, History(7, 99, 1), id="a lower revision"),
        pytest.param(History(7, 90), header(89), True, Fit.WENT_BACK, History(7, 89, 1), id="lower than at sending"),
        pytest.param(SEEN, header(3), False, Fit.FITS, SEEN, id="a member that lags"),
        pytest.param(SEEN, header(999), False, Fit.FITS, SEEN, id="a local revision proves nothing"),
        pytest.param(SEEN, header(200, 8), True, Fit.WENT_BACK, History(8, 200, 1), id="another cluster"),
        pytest.param(SEEN, header(200, 8), False, Fit.WENT_BACK, History(8, 0, 1), id="another cluster, locally"),
        pytest.param(History(), header(9, 8), True, Fit.WENT_BACK, History(8, 9, 1), id="another cluster, early"),
        pytest.param(History(7, 900, -1), header(900), True, Fit.OUTDATED, SEEN, id="asked in an earlier history"),
    ],
)
def test_an_answer_is_held_against_what_was_seen(
    at_send: History, answer: Header, linearizable: bool, fit: Fit, after: History
) -> None:
    assert judge(SEEN, at_send, answer, linearizable=linearizable) == (fit, after)


def test_the_first_answer_ever_is_believed() -> None:
    assert judge(History(), History(), header(5), linearizable=True) == (Fit.FITS, History(7, 5))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30))
def test_answers_of_one_history_fit_in_whatever_order_they_arrive(requests: list[tuple[int, int]]) -> None:
    """Each request is served at a revision no lower than what had been seen at its sending."""
    seen, waiting = History(7, 1), [(History(7, 1), 1)]
    for growth, place in requests:
        at_send, revision = waiting.pop(place % len(waiting)) if waiting else (seen, seen.revision)
        fit, seen = judge(seen, at_send, header(revision), linearizable=True)
        assert fit is Fit.FITS
        waiting.append((seen, seen.revision + growth))


@given(st.integers(2, 1000), st.integers(1, 1000))
def test_after_going_back_the_new_history_goes_on(high: int, low: int) -> None:
    seen = History(7, high + low)
    fit, seen = judge(seen, seen, header(low), linearizable=True)
    assert fit is Fit.WENT_BACK
    assert judge(seen, seen, header(low), linearizable=True) == (Fit.FITS, seen)
