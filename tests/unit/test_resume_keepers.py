"""The labeler and the router of a run that resumes: what the run before left is not put right, it is gone on with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random

import pytest

from sidecar.election.label import Rules
from sidecar.errors import KubeUnavailable
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.labeler import Labeler
from sidecar.metrics import Metrics
from sidecar.router.router import Router
from tests.support.labelled import KEY, PLAIN, TOKEN, SetVerdict
from tests.support.pods import FakePods, LoopClock
from tests.support.routed import SetRoute
from tests.support.slices import FakeSlices

pytestmark = pytest.mark.looptime

AWAY = KubeUnavailable("connection refused")


class Labelled:
    """A pod whose label an earlier run left at ``leader``, with token 2; the verdict is ``token`` from the start."""

    def __init__(self, token: int | None) -> None:
        self.pods, self.verdict = FakePods(KEY), SetVerdict()
        self.pods.put("me", {KEY: "leader"}, {TOKEN: "2"})
        self.verdict.set(token)
        self.labeler = Labeler(
            election="e",
            rules=Rules(PLAIN, native=False),
            name="me",
            uid="uid-me",
            settle_seconds=0.1,
            pods=self.pods,
            verdict=self.verdict,
            announcer=Announcer(self.pods, "me", "uid-me"),
            clock=LoopClock(),
            random=Random(1),
            metrics=Metrics(),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.labeler.carry_on()
        task = asyncio.create_task(self.labeler.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_label_that_is_right_is_read_and_peers_are_listed_and_nothing_is_written() -> None:
    pod = Labelled(2)
    async with pod.running():
        await asyncio.sleep(0.1)
        assert pod.labeler.in_sync()
        await asyncio.sleep(30)
    assert pod.pods.verbs()[:2] == ["read me", "select"]
    assert not [verb for verb in pod.pods.verbs() if verb.startswith("patch")]


async def test_a_label_that_the_verdict_does_not_bear_out_goes_off_and_its_token_stays() -> None:
    pod = Labelled(None)
    async with pod.running():
        assert pod.labeler.may_say_leader(), "before anything was read"
        await asyncio.sleep(0.1)
        assert not pod.labeler.may_say_leader()
    assert pod.pods.labels("me")[KEY] == "follower"
    assert pod.pods.all["me"].annotations[TOKEN] == "2"


async def test_a_step_down_waits_for_a_label_that_could_not_be_read_yet() -> None:
    pod = Labelled(None)
    pod.pods.away = AWAY
    async with pod.running():
        await asyncio.sleep(0.1)
        assert not await pod.labeler.take_off(1)
        pod.pods.away = None
        assert await pod.labeler.take_off(10)
    assert pod.pods.labels("me")[KEY] == "follower"


@contextlib.asynccontextmanager
async def routing(slices: FakeSlices, token: int | None) -> AsyncIterator[Router]:
    verdict = SetRoute()
    verdict.set(token)
    pods = FakePods(KEY)
    router = Router(
        election="e",
        name="me",
        uid="uid-me",
        grace_seconds=1.0,
        slices=slices,
        verdict=verdict,
        announcer=Announcer(pods, "me", "uid-me"),
        clock=LoopClock(),
        random=Random(1),
        metrics=Metrics(),
    )
    router.carry_on()
    task = asyncio.create_task(router.run())
    try:
        yield router
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def written_by_the_run_before() -> FakeSlices:
    slices = FakeSlices()
    async with routing(slices, 2):
        await asyncio.sleep(1)
    assert slices.named() == ("me", 2)
    slices.calls.clear()
    return slices


async def test_a_slice_that_is_right_stays_as_it_is() -> None:
    slices = await written_by_the_run_before()
    async with routing(slices, 2) as router:
        await asyncio.sleep(0.1)
        assert router.in_sync()
        await asyncio.sleep(30)
    assert slices.writes() == []


async def test_a_slice_that_the_verdict_does_not_bear_out_is_emptied() -> None:
    slices = await written_by_the_run_before()
    async with routing(slices, None):
        await asyncio.sleep(0.1)
    assert slices.named() == ("", 2)


async def test_the_end_of_the_process_waits_for_a_slice_that_could_not_be_read_yet() -> None:
    slices = await written_by_the_run_before()
    slices.away = AWAY
    async with routing(slices, None) as router:
        await asyncio.sleep(0.1)
        assert not await router.hand_over(1)
        slices.away = None
        assert await router.hand_over(10)
    assert slices.named() == ("", 2)
