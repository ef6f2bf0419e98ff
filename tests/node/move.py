"""One move of the lead, taken apart: where the time went, and what it cost in writes. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.cluster.routing import Reached, Seen
from tests.node.judge import Gap


@dataclass(frozen=True, slots=True)
class Move:
    """Milliseconds, one after the other: together they are the gap. And label writes, by whose pod was written.

    ``gap_ms`` is from the last answer by the old leader to the first by the new one. ``to_release_ms`` is from that
    last answer until its key went (negative: it answered on), ``to_label_ms`` until the new label was accepted,
    ``to_slice_ms`` until the Service's EndpointSlice showed the new leader alone, ``to_answer_ms`` until it answered.
    """

    gap_ms: float
    lost: int
    to_release_ms: float
    to_label_ms: float
    to_slice_ms: float
    to_answer_ms: float
    writes_old: int
    writes_new: int
    writes_others: int


class NotSeen(Exception):
    """A step of the move is missing from what was seen."""


def taken_apart(gap: Gap, released: Sequence[float], pods: Sequence[Seen], service: Sequence[Reached]) -> Move:
    """Raises ``NotSeen``."""
    old, new = gap.before.pod, gap.after.pod
    label = _last(
        [pod.at for pod in pods if pod.name == new and pod.role == "leader" and pod.token == gap.after.token][:1],
        f"the label of {new} in {gap}",
    )
    release = _last([at for at in released if at < label], f"the release of the key in {gap}")
    # each comes by a watch of its own: the slice may be seen a little sooner than the label of which it is made
    alone = _last(
        [state.at for state in service if state.at > release and state.pods == (new,)][:1], f"{new} alone in {gap}"
    )
    writes = label_writes(pods)
    return Move(
        gap_ms=gap.seconds * 1000,
        lost=gap.lost,
        to_release_ms=(release - gap.before.done) * 1000,
        to_label_ms=(label - release) * 1000,
        to_slice_ms=(alone - label) * 1000,
        to_answer_ms=(gap.after.done - alone) * 1000,
        writes_old=writes.get(old, 0),
        writes_new=writes.get(new, 0),
        writes_others=sum(count for name, count in writes.items() if name not in (old, new)),
    )


def label_writes(pods: Sequence[Seen]) -> dict[str, int]:
    """By pod's name, how often its label or token changed."""
    counts: dict[str, int] = {}
    for uid in {pod.uid for pod in pods}:
        states = [pod for pod in pods if pod.uid == uid and pod.role is not None]
        changes = sum((one.role, one.token) != (other.role, other.token) for one, other in pairwise(states))
        if states:
            counts[states[0].name] = changes
    return counts


def _last(times: Sequence[float], what: str) -> float:
    if not times:
        raise NotSeen(what)
    return times[-1]
