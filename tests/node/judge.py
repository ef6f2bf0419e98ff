"""What a Service's user may see, judged over all its answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.node.client import Answer


def went_back(answers: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """Pairs of answers of a leader where the later bears a lower token, though it was asked for after the earlier came.

    Two that overlap in time may come in any order.
    """
    led = [answer for answer in answers if answer.status == 200]
    by_end = sorted(led, key=lambda answer: answer.done)
    found, highest, ended = [], None, 0
    for later in sorted(led, key=lambda answer: answer.sent):
        while ended < len(by_end) and by_end[ended].done < later.sent:
            if highest is None or by_end[ended].token > highest.token:
                highest = by_end[ended]
            ended += 1
        if highest is not None and later.token < highest.token:
            found.append((highest, later))
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """``seconds`` without an answer by a leader, between two of them; ``lost`` requests sent within it."""

    seconds: float
    lost: int
    before: Answer
    after: Answer


def longest_gap(answers: Sequence[Answer]) -> Gap:
    """Raises ``ValueError`` when fewer than two answers were a leader's."""
    return _longest(answers, _pairs(answers))


def handover(answers: Sequence[Answer]) -> Gap:
    """The longest between two pods' answers: a stall of one pod is none. Raises ``ValueError`` when there is none."""
    return _longest(answers, [pair for pair in _pairs(answers) if pair[0].pod != pair[1].pod])


def moves(answers: Sequence[Answer]) -> int:
    """How often the lead changed, as far as its answers tell."""
    return max(len({answer.token for answer in answers if answer.status == 200}) - 1, 0)


def refused_seconds(answers: Sequence[Answer]) -> float:
    """In all, without an answer of any pod."""
    return _seconds_without(answers, lambda answer: answer.status != 0)


def unled_seconds(answers: Sequence[Answer]) -> float:
    """In all, without an answer of a leader: refused, or declined by a pod that did not lead."""
    return _seconds_without(answers, lambda answer: answer.status == 200)


def _seconds_without(answers: Sequence[Answer], served: Callable[[Answer], bool]) -> float:
    """From each first request that was not served to the next one that was; what follows the last does not count."""
    since: float | None = None
    total = 0.0
    for answer in sorted(answers, key=lambda each: each.sent):
        if not served(answer):
            since = answer.sent if since is None else since
        elif since is not None:
            total, since = total + answer.sent - since, None
    return total


def _pairs(answers: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    return list(pairwise(sorted((each for each in answers if each.status == 200), key=lambda each: each.done)))


def _longest(answers: Sequence[Answer], pairs: Sequence[tuple[Answer, Answer]]) -> Gap:
    if not pairs:
        raise ValueError("no leader answered after another answer")
    before, after = max(pairs, key=lambda pair: pair[1].done - pair[0].done)
    lost = sum(1 for answer in answers if answer.status != 200 and before.done < answer.sent < after.sent)
    return Gap(after.done - before.done, lost, before, after)
