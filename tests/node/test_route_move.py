"""How a move by the route is taken apart, without a node."""

import pytest

from tests.cluster.routing import Seen
from tests.cluster.slices import Said
from tests.node.client import Answer
from tests.node.judge import Gap
from tests.node.move import NotSeen
from tests.node.route_move import cost, rollout, route_move

ANSWERS = [
    Answer(9.9, 10.0, 200, "a", 5),
    Answer(10.0, 10.01, 503, "a"),
    Answer(10.01, 10.02, 0),
    Answer(10.03, 10.04, 200, "b", 7),
]
GAP = Gap(0.04, 2, ANSWERS[0], ANSWERS[-1])
SLICES = [Said(1.0, "s", ("a",), 5, False, 1), Said(10.025, "s", ("b",), 7, False, 2)]
B = Seen(at=1.0, uid="2", name="b", role="follower", token=0, terminating=False, version="2")
PODS = [B, Seen(at=10.02, uid="2", name="b", role="leader", token=7, terminating=False, version="3")]


def test_its_parts_are_the_whole_gap() -> None:
    move = route_move(GAP, [3.0, 10.015], SLICES, PODS)
    assert (move.to_release_ms, move.to_slice_ms, move.to_answer_ms) == pytest.approx((15, 10, 15))
    assert move.gap_ms == pytest.approx(40)


def test_what_was_there_before_is_no_write() -> None:
    move = route_move(GAP, [10.015], SLICES, PODS)
    assert (move.slice_writes, move.label_writes) == (1, 1)


@pytest.mark.parametrize(
    ("released", "slices", "missing"), [([10.015], SLICES[:1], "the slice that names b"), ([], SLICES, "the release")]
)
def test_a_step_that_was_not_seen_is_named(released: list[float], slices: list[Said], missing: str) -> None:
    with pytest.raises(NotSeen, match=missing):
        route_move(GAP, released, slices, PODS)


def test_no_answer_and_another_s_are_counted_apart() -> None:
    found = cost(10.0, GAP, ANSWERS)
    assert (found.refused, found.declined) == (1, 1)
    assert found.asked_ms == pytest.approx(40)


def test_a_rollout_adds_up_what_was_refused() -> None:
    found = rollout(ANSWERS, SLICES, 20.0)
    assert (found.moves, found.refused, found.declined, found.slice_writes) == (1, 1, 1, 1)
    assert (found.refused_ms, found.unled_ms) == pytest.approx((20, 30))
