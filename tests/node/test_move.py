"""How a move of the lead is taken apart, without a node."""

from dataclasses import replace

import pytest

from tests.cluster.routing import Reached, Seen
from tests.node.client import Answer
from tests.node.judge import Gap
from tests.node.move import NotSeen, taken_apart

OLD, NEW = Answer(9.9, 10.0, 200, "a", 5), Answer(10.19, 10.2, 200, "b", 7)
GAP = Gap(0.2, 3, OLD, NEW)
A = Seen(at=1.0, uid="1", name="a", role="leader", token=5, terminating=False, version="1")
B = Seen(at=1.0, uid="2", name="b", role="follower", token=0, terminating=False, version="2")
PODS = [
    A,
    B,
    replace(A, at=8.0, terminating=True),
    replace(B, at=10.06, role="electing", token=7),
    replace(B, at=10.08, role="leader", token=7),
    replace(A, at=10.3, role="follower", token=7),
    replace(A, at=10.4, role=None),
]
SERVICE = [Reached(1.0, ("a",)), Reached(10.09, ("a", "b")), Reached(10.12, ("b",)), Reached(10.5, ("b",))]


def test_its_parts_are_the_whole_gap() -> None:
    move = taken_apart(GAP, [3.0, 10.05], PODS, SERVICE)
    parts = (move.to_release_ms, move.to_label_ms, move.to_slice_ms, move.to_answer_ms)
    assert parts == pytest.approx((50, 30, 40, 80))
    assert sum(parts) == pytest.approx(move.gap_ms)


def test_a_write_is_a_change_of_the_label_or_its_token() -> None:
    move = taken_apart(GAP, [10.05], PODS, SERVICE)
    assert (move.writes_old, move.writes_new, move.writes_others) == (1, 2, 0)


def test_a_step_that_was_not_seen_is_named() -> None:
    with pytest.raises(NotSeen, match="b alone"):
        taken_apart(GAP, [10.05], PODS, SERVICE[:2])
