"""Which change of state is news for a webhook."""

from dataclasses import replace

import pytest

from sidecar.election.verdict import State, Transition, View
from sidecar.workload.tell.news import News, What, news_at_start, news_of
from tests.support.http import FOLLOWING, LEADING

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
    assert news_of(Transition(0.0, before, after, None, 5, 1.0)) == told


WAITING = replace(FOLLOWING, state=State.WAITING)


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (WAITING, News(What.LOST, None)),
        (replace(WAITING, state=State.STANDING_OUT), News(What.LOST, None)),
        (replace(WAITING, leader=None), None),
        (replace(FOLLOWING, state=State.CONNECTING), None),
        (LEADING, None),
    ],
)
def test_at_start_it_is_told_that_another_leads_once_that_is_known(view: View, told: News | None) -> None:
    assert news_at_start(view) == told
