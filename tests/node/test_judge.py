"""The judge of the node's tests sees what it is there for."""

import pytest

from tests.node.client import Answer
from tests.node.judge import handover, longest_gap, moves, refused_seconds, unled_seconds, went_back


def test_a_lower_token_asked_for_after_a_higher_one_came_is_seen() -> None:
    high, low = Answer(0.0, 1.0, 200, "b", 9), Answer(1.1, 1.2, 200, "a", 5)
    assert went_back([high, low]) == [(high, low)]


def test_requests_that_overlap_may_come_in_any_order() -> None:
    assert went_back([Answer(0.0, 1.0, 200, "b", 9), Answer(0.9, 1.2, 200, "a", 5)]) == []


def test_only_a_leaders_answers_count() -> None:
    assert went_back([Answer(0.0, 1.0, 200, "b", 9), Answer(1.1, 1.2, 503, "a", 0)]) == []


def test_the_gap_is_the_longest_time_between_two_answers_of_a_leader() -> None:
    answers = [
        Answer(0.0, 0.1, 200, "a", 5),
        Answer(0.2, 0.3, 0),
        Answer(0.4, 0.5, 503, "a"),
        Answer(0.6, 0.7, 200, "b", 6),
        Answer(0.8, 0.9, 200, "b", 6),
    ]
    gap = longest_gap(answers)
    assert gap.seconds == pytest.approx(0.6)
    assert (gap.lost, gap.before.pod, gap.after.pod) == (2, "a", "b")


def test_a_stall_of_one_pod_is_no_handover() -> None:
    answers = [Answer(0.0, 0.1, 200, "a", 5), Answer(1.0, 1.1, 200, "a", 5), Answer(1.2, 1.3, 200, "b", 6)]
    assert handover(answers).seconds == pytest.approx(0.2)


ROUGH = [
    Answer(0.0, 0.1, 200, "a", 5),
    Answer(0.2, 0.3, 503, "a"),
    Answer(0.3, 2.3, 0),
    Answer(0.5, 0.6, 503, "b"),
    Answer(0.6, 0.7, 200, "b", 6),
    Answer(1.0, 1.1, 0),
    Answer(1.1, 1.2, 200, "b", 6),
    Answer(2.0, 2.1, 0),
]


def test_times_without_an_answer_are_added_up() -> None:
    assert refused_seconds(ROUGH) == pytest.approx(0.3)


def test_a_pod_that_declines_does_not_lead() -> None:
    assert unled_seconds(ROUGH) == pytest.approx(0.5)


def test_a_move_is_another_token() -> None:
    assert moves(ROUGH) == 1
    assert moves(ROUGH[1:4]) == 0
