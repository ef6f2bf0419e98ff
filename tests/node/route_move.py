"""What a move of the lead cost a user of the leader's Service, and of a route's move its parts. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.cluster.routing import Seen
from tests.cluster.slices import Said
from tests.node.client import Answer
from tests.node.judge import Gap, moves, refused_seconds, unled_seconds
from tests.node.move import NotSeen, label_writes


@dataclass(frozen=True, slots=True)
class Cost:
    """``asked_ms`` is from what moved the lead to the new leader's first answer.

    ``refused`` requests had no answer, ``declined`` ones that of a pod that did not lead.
    """

    asked_ms: float
    refused: int
    declined: int


def cost(asked_at: float, gap: Gap, answers: Sequence[Answer]) -> Cost:
    return Cost((gap.after.done - asked_at) * 1000, *_unserved(answers))


@dataclass(frozen=True, slots=True)
class RouteMove:
    """Milliseconds: ``to_release_ms``, ``to_slice_ms`` and ``to_answer_ms`` follow one another and are the gap.

    That is from the last answer by the old leader to the first by the new one. In between the lock's key went, and the
    slice that names the new leader was accepted. ``slice_writes`` are of all writers.
    """

    gap_ms: float
    to_release_ms: float
    to_slice_ms: float
    to_answer_ms: float
    slice_writes: int
    label_writes: int


def route_move(gap: Gap, released: Sequence[float], slices: Sequence[Said], pods: Sequence[Seen]) -> RouteMove:
    """Raises ``NotSeen``."""
    new = gap.after
    accepted = [each.at for each in slices if each.pods == (new.pod,) and each.token == new.token]
    if not accepted:
        raise NotSeen(f"the slice that names {new.pod} in {gap}")
    before = [at for at in released if at < accepted[0]]
    if not before:
        raise NotSeen(f"the release of the key in {gap}")
    writes = label_writes(pods)
    return RouteMove(
        gap_ms=gap.seconds * 1000,
        to_release_ms=(before[-1] - gap.before.done) * 1000,
        to_slice_ms=(accepted[0] - before[-1]) * 1000,
        to_answer_ms=(new.done - accepted[0]) * 1000,
        slice_writes=len(slices) - 1,
        label_writes=writes.get(gap.before.pod, 0) + writes.get(new.pod, 0),
    )


@dataclass(frozen=True, slots=True)
class Rollout:
    """``refused_ms`` is the time in all without any pod's answer, ``unled_ms`` that without a leader's.

    ``slice_writes`` are of all writers of the Service's slices.
    """

    moves: int
    refused_ms: float
    unled_ms: float
    refused: int
    declined: int
    slice_writes: int
    seconds: float


def rollout(answers: Sequence[Answer], slices: Sequence[Said], seconds: float) -> Rollout:
    refused, declined = _unserved(answers)
    return Rollout(
        moves=moves(answers),
        refused_ms=refused_seconds(answers) * 1000,
        unled_ms=unled_seconds(answers) * 1000,
        refused=refused,
        declined=declined,
        slice_writes=len(slices) - 1,
        seconds=seconds,
    )


def _unserved(answers: Sequence[Answer]) -> tuple[int, int]:
    refused = sum(answer.status == 0 for answer in answers)
    return refused, sum(answer.status not in (0, 200) for answer in answers)
