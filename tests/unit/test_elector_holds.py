"""Holds: which closing ends the lead, and when all of them together say that the workload has finished."""

import asyncio

import pytest

from sidecar.elector.holds import FINISH_RATIO, MOST_HOLDS, Holds
from sidecar.errors import TooManyHolds

pytestmark = pytest.mark.looptime

DRAIN_SECONDS = 10.0


class Ends(list[tuple[int, bool]]):
    """Each end of the lead: its token, and whether others were still open."""

    def __call__(self, token: int, others: bool) -> None:
        self.append((token, others))


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_the_only_one_to_close_ends_the_lead_with_nothing_to_wait_for_and_only_once() -> None:
    hold = Holds(ends := Ends(), DRAIN_SECONDS).open(7)
    hold.closed()
    hold.closed()
    assert ends == [(7, False)]


async def test_any_one_of_several_ends_the_lead_with_the_others_to_be_waited_for() -> None:
    holds = Holds(ends := Ends(), DRAIN_SECONDS)
    first, second = holds.open(7), holds.open(7)
    second.closed()
    assert ends == [(7, True)]
    finish = asyncio.create_task(holds.finish())
    await asyncio.sleep(1)
    assert not finish.done()
    first.closed()
    assert await finish is True


async def test_one_that_this_side_ends_ends_no_lead() -> None:
    hold = Holds(ends := Ends(), DRAIN_SECONDS).open(7)
    hold.let_go()
    hold.closed()
    assert ends == []


async def test_without_any_there_is_nobody_to_say_that_the_workload_has_finished() -> None:
    holds = Holds(Ends(), DRAIN_SECONDS)
    holds.open(7).closed()
    assert await holds.finish() is None


async def test_the_finish_is_the_last_closing() -> None:
    holds = Holds(Ends(), DRAIN_SECONDS)
    asyncio.get_running_loop().call_later(3, holds.open(7).closed)
    asyncio.get_running_loop().call_later(4, holds.open(7).closed)
    assert await holds.finish() is True
    assert seconds() == 4


async def test_one_that_does_not_close_is_waited_for_within_the_drains_bound() -> None:
    holds = Holds(Ends(), DRAIN_SECONDS)
    holds.open(7)
    assert await holds.finish() is False
    assert seconds() == FINISH_RATIO * DRAIN_SECONDS


async def test_there_is_a_bound_to_their_number_and_room_again_when_one_closes() -> None:
    holds = Holds(Ends(), DRAIN_SECONDS)
    opened = [holds.open(7) for _ in range(MOST_HOLDS)]
    with pytest.raises(TooManyHolds, match="16 connections"):
        holds.open(7)
    opened[0].closed()
    holds.open(7)


async def test_once_the_election_is_over_no_closing_means_anything() -> None:
    holds = Holds(ends := Ends(), DRAIN_SECONDS)
    before = holds.open(7)
    holds.drop_all()
    holds.open(7).closed()
    before.closed()
    assert ends == []
