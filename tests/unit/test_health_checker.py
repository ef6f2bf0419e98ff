"""The checker: asks in time, and makes the election follow the workload's health."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest

from sidecar.election.health import HealthRules
from sidecar.election.queue import LockKey
from sidecar.election.verdict import Reason, View
from sidecar.errors import EtcdUnavailable
from sidecar.metrics import Metrics
from sidecar.workload.health.checker import Checker
from tests.support.http import FOLLOWING, LOCK, OTHER

pytestmark = pytest.mark.looptime

PERIOD_SECONDS = 2.0
NOBODY = replace(FOLLOWING, leader=None, leader_id=None)


class LoopClock:
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeElection:
    """``moves`` are the calls, each with its time; standing out takes ``drain_seconds``."""

    lock = LOCK

    def __init__(self) -> None:
        self.shown: View = NOBODY
        self.queue: list[LockKey] = []
        self.fails = False
        self.reads = 0
        self.drain_seconds = 0.0
        self.moves: list[tuple[str, float]] = []

    def view(self) -> View:
        return self.shown

    async def candidates(self) -> tuple[int, Sequence[LockKey]]:
        self.reads += 1
        if self.fails:
            raise EtcdUnavailable("no quorum")
        return 40, self.queue

    async def stand_out(self, reason: Reason) -> None:
        assert reason is Reason.UNHEALTHY
        self.moves.append(("out", seconds()))
        await asyncio.sleep(self.drain_seconds)

    def stand_in(self, reason: Reason) -> None:
        assert reason is Reason.UNHEALTHY
        self.moves.append(("in", seconds()))


class Workload:
    """Answers as told, well when nothing is left of that; ``takes_seconds`` each time."""

    def __init__(self) -> None:
        self.answers: deque[str | None] = deque()
        self.last: str | None = None
        self.takes_seconds = 0.0
        self.asked: list[float] = []

    async def ask(self) -> str | None:
        self.asked.append(seconds())
        await asyncio.sleep(self.takes_seconds)
        return self.answers.popleft() if self.answers else self.last


@pytest.fixture
def election() -> FakeElection:
    return FakeElection()


@pytest.fixture
def workload() -> Workload:
    return Workload()


def seconds() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def checking(
    election: FakeElection, workload: Workload, *, ignore_after: float = float("inf"), metrics: Metrics | None = None
) -> AsyncIterator[None]:
    checker = Checker(
        election,
        workload.ask,
        HealthRules(3, 1, cool_down_seconds=10.0, ignore_after_seconds=ignore_after),
        period_seconds=PERIOD_SECONDS,
        clock=LoopClock(),
        random=Random(1),
        metrics=metrics or Metrics(),
    )
    task = asyncio.create_task(checker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_asks_at_once_and_then_each_period_however_long_an_answer_takes(
    election: FakeElection, workload: Workload
) -> None:
    workload.takes_seconds = 0.5
    async with checking(election, workload):
        await asyncio.sleep(6.1)
    assert workload.asked == pytest.approx([0.0, 2.0, 4.0, 6.0])


async def test_a_pod_stands_in_line_once_its_workload_has_started(election: FakeElection, workload: Workload) -> None:
    workload.answers.extend(["refused"] * 5)
    async with checking(election, workload):
        await asyncio.sleep(30)
    assert election.moves == [("in", 10.0)]


async def test_an_unhealthy_pod_stands_out_and_its_workload_is_asked_on_while_it_drains(
    election: FakeElection, workload: Workload
) -> None:
    workload.answers.extend([None, "it answers 500", "it answers 500", "it answers 500"])
    election.drain_seconds = 60.0
    async with checking(election, workload):
        await asyncio.sleep(30)
    assert election.moves == [("in", 0.0), ("out", 6.0), ("in", 18.0)]


async def test_the_queue_is_not_read_without_an_escape_nor_while_another_is_known_to_lead(
    election: FakeElection, workload: Workload
) -> None:
    workload.last = "refused"
    async with checking(election, workload):
        await asyncio.sleep(60)
    election.shown = FOLLOWING
    async with checking(election, workload, ignore_after=30.0):
        await asyncio.sleep(60)
    assert (election.reads, election.moves) == (0, [])


async def test_with_nobody_in_the_queue_an_unhealthy_pod_stands_in_line_when_its_time_has_come(
    election: FakeElection, workload: Workload
) -> None:
    workload.last = "refused"
    async with checking(election, workload, ignore_after=30.0):
        await asyncio.sleep(30)
        assert election.moves == []
        await asyncio.sleep(6)
        assert [move for move, _ in election.moves] == ["in"]


async def test_a_candidate_in_the_queue_and_an_etcd_that_is_away_are_no_reason_to_escape(
    election: FakeElection, workload: Workload
) -> None:
    workload.last = "refused"
    election.queue = [OTHER]
    async with checking(election, workload, ignore_after=30.0):
        await asyncio.sleep(60)
        election.fails = True
        await asyncio.sleep(60)
    assert election.moves == []
    assert election.reads > 40


async def test_the_metric_says_what_the_workload_is(election: FakeElection, workload: Workload) -> None:
    metrics = Metrics()

    def shown() -> float | None:
        return metrics.registry.get_sample_value("leader_sidecar_workload_healthy", {"election": "web"})

    assert shown() is None
    workload.answers.extend(["refused", None, "refused", "refused", "refused"])
    async with checking(election, workload, metrics=metrics):
        await asyncio.sleep(1)
        assert shown() == 0
        await asyncio.sleep(2)
        assert shown() == 1
        await asyncio.sleep(6)
        assert shown() == 0
