"""Visits every world that can come about, and says what is wrong with one, with the way to it."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

_World = TypeVar("_World", bound=Hashable)
_Seen = TypeVar("_Seen", bound=Hashable, covariant=True)


class Violation(AssertionError):
    """What was promised does not hold."""


class Move(Protocol[_Seen]):
    """One thing that can happen. ``fault``: it need not happen for all to become right."""

    @property
    def what(self) -> str: ...
    @property
    def world(self) -> _Seen: ...
    @property
    def fault(self) -> bool: ...


@dataclass
class Found:
    """``trace``: the moves that lead to ``problem``, empty when there is none."""

    states: int
    trace: tuple[str, ...] = ()
    problem: str = ""


def explore(
    start: _World,
    moves: Callable[[_World], Iterator[Move[_World]]],
    is_settled: Callable[[_World], bool],
    *,
    fair: bool,
) -> Found:
    """Every world, breadth first, so that a trace is a shortest one.

    Also looked for: a world from which, with no further faults, things need not become right, whatever is slow or
    fast. ``fair``: nobody is passed over for ever (a leader that waits for another sidecar to put its pod right tries
    again and again); then it is enough that each world has a way that leads there.
    """
    numbers = {start: 0}
    came_from: list[tuple[int, str]] = [(-1, "")]
    onward: list[tuple[int, ...]] = []
    settled: list[bool] = []
    queue = deque([start])
    while queue:
        world = queue.popleft()
        here = numbers[world]
        free = set()
        try:
            for move in moves(world):
                number = numbers.get(move.world)
                if number is None:
                    number = numbers[move.world] = len(came_from)
                    came_from.append((here, move.what))
                    queue.append(move.world)
                if not move.fault and number != here:
                    free.add(number)
        except Violation as violation:
            return Found(len(came_from), _trace(came_from, here), str(violation))
        onward.append(tuple(free))
        settled.append(is_settled(world))
    stuck = _never_settles(onward, settled, fair=fair)
    if stuck is not None:
        return Found(len(came_from), _trace(came_from, stuck), "from here it need not become right")
    return Found(len(came_from))


def _never_settles(onward: list[tuple[int, ...]], settled: list[bool], *, fair: bool) -> int | None:
    """A world from which some way (``fair``: every way) goes on for ever or ends without the label being right."""
    before: list[list[int]] = [[] for _ in onward]
    left = [1 if fair else len(numbers) for numbers in onward]
    for here, numbers in enumerate(onward):
        for there in numbers:
            before[there].append(here)
    fine = [not numbers and right for numbers, right in zip(onward, settled, strict=True)]
    queue = deque(number for number, good in enumerate(fine) if good)
    while queue:
        for earlier in before[queue.popleft()]:
            left[earlier] -= 1
            if left[earlier] == 0:
                fine[earlier] = True
                queue.append(earlier)
    return next((number for number, good in enumerate(fine) if not good), None)


def _trace(came_from: list[tuple[int, str]], number: int) -> tuple[str, ...]:
    trace: list[str] = []
    while number > 0:
        number, what = came_from[number]
        trace.append(what)
    return tuple(reversed(trace))
