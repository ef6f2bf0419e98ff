"""Which change of state is news for a webhook."""

import pytest

from sidecar.election.verdict import State, Transition
from sidecar.workload.tell.news import News, What, news_of

ELECTED, LOST = News(What.ELECTED, 5), News(What.LOST, 5)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (State.WAITING, State.LEADING, ELECTED),
        (State.CONNECTING, State.LEADING, ELECTED),
        (State.UNCONFIRMED, State.LEADING, ELECTED),
        (State.LEADING, State.UNCONFIRMED, LOST),
        (State.LEADING, State.DRAINING, LOST),
        (State.LEADING, State.CONNECTING, LOST),
        (State.UNCONFIRMED, State.DRAINING, None),
        (State.UNCONFIRMED, State.CONNECTING, None),
        (State.DRAINING, State.CONNECTING, None),
        (State.CONNECTING, State.WAITING, None),
        (State.WAITING, State.STOPPED, None),
    ],
)
def test_each_beginning_and_each_end_of_a_lead_is_told_once(before: State, after: State, told: News | None) -> None:
    assert news_of(Transition(0.0, before, after, None, 5, 1.0), first=False) == told


def test_a_run_that_has_to_wait_tells_so_first_for_an_earlier_run_may_have_told_of_a_lead() -> None:
    waits = Transition(0.0, State.CONNECTING, State.WAITING, None, None, 1.0)
    assert news_of(waits, first=True) == News(What.LOST, None)
