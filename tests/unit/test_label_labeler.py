"""The reconciler: carries decisions out in their time, and never loses a change of the verdict. Fake time."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from random import Random

import pytest

from sidecar.election.label import Rules
from sidecar.election.label_scheme import ExtraLabel, Scheme
from sidecar.errors import KubeConflict, KubeForbidden, KubeUnauthorized, KubeUnavailable
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.labeler import Labeler
from sidecar.metrics import Metrics
from tests.support.labelled import KEY, TOKEN, SetVerdict
from tests.support.pods import FakePods, LoopClock

pytestmark = pytest.mark.looptime


class Bench:
    """One labeler on pods in memory; ``me`` is its pod."""

    def __init__(self, scheme: Scheme = Scheme(KEY, None), *, native: bool = False) -> None:  # noqa: B008 it is frozen
        self.pods, self.verdict, self.metrics = FakePods(KEY), SetVerdict(), Metrics()
        self.pods.put("me")
        announcer = Announcer(self.pods, "me", "uid-me")
        self.labeler = Labeler(
            election="e",
            rules=Rules(scheme, native),
            name="me",
            uid="uid-me",
            settle_seconds=0.1,
            pods=self.pods,
            verdict=self.verdict,
            announcer=announcer,
            clock=LoopClock(),
            random=Random(1),
            metrics=self.metrics,
        )
        self._announcer = announcer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.labeler.run()), asyncio.create_task(self._announcer.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"leader_sidecar_{name}", {"election": "e", **labels})
        return value or 0.0

    def patches(self) -> list[str]:
        return [line for line in self.pods.verbs() if line.startswith("patch")]


async def test_winning_is_four_steps_in_order() -> None:
    bench = Bench()
    bench.pods.put("old", {KEY: "leader"}, {TOKEN: "1"})
    async with bench.running():
        await asyncio.sleep(0.01)
        bench.pods.calls.clear()
        bench.verdict.set(2)
        await asyncio.sleep(0.5)
    assert bench.pods.verbs() == ["patch me electing", "select", "patch old follower", "patch me leader"]
    stripped, labelled = bench.pods.calls[2].at, bench.pods.calls[3].at
    assert labelled - stripped == pytest.approx(0.1, abs=0.01)


async def test_in_native_form_a_terminating_leader_is_stripped_after_with_no_settling() -> None:
    bench = Bench(native=True)
    bench.pods.put("old", {KEY: "leader"}, {TOKEN: "1"}, terminating=True)
    async with bench.running():
        await asyncio.sleep(0.01)
        bench.pods.calls.clear()
        bench.verdict.set(2)
        await asyncio.sleep(0.5)
    assert bench.pods.verbs() == ["patch me electing", "select", "patch me leader", "patch old follower"]
    assert bench.pods.calls[3].at == pytest.approx(bench.pods.calls[0].at, abs=0.01)


async def test_a_change_of_the_verdict_is_acted_on_at_once() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(200)
        bench.pods.calls.clear()
        bench.verdict.set(2)
        await asyncio.sleep(0.001)
        assert bench.pods.labels("me")[KEY] == "leader"
        bench.verdict.set(None)
        await asyncio.sleep(0.001)
        assert bench.pods.labels("me")[KEY] == "follower"


async def test_a_lost_lead_does_not_wait_for_a_call_that_hangs() -> None:
    bench = Bench()
    bench.pods.hanging = {"select"}
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(0.1)
        assert bench.pods.labels("me")[KEY] == "electing"
        bench.verdict.set(None)
        await asyncio.sleep(0.001)
        assert bench.pods.labels("me")[KEY] == "follower"
        assert bench.labeler.in_sync()
        bench.pods.release.set()
        await asyncio.sleep(1)
        assert bench.pods.labels("me")[KEY] == "follower"


async def test_a_leaders_write_that_hangs_is_overtaken_and_fails_when_it_arrives() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(0.001)
        bench.verdict.set(None)
        await asyncio.sleep(0.001)
        bench.pods.put("old", {KEY: "leader"}, {TOKEN: "1"})
        bench.verdict.set(3)
        await asyncio.sleep(0.05)  # electing, stripped, settling
        bench.pods.hanging = {"patch"}
        await asyncio.sleep(0.1)  # the leader's write hangs
        assert bench.patches()[-1] == "patch me leader"
        bench.pods.hanging = set()
        bench.verdict.set(None)
        assert bench.labeler.may_say_leader()
        await asyncio.sleep(0.001)
        assert not bench.labeler.may_say_leader()
        bench.pods.release.set()
        await asyncio.sleep(1)
        assert bench.pods.labels("me")[KEY] == "follower"


async def test_a_steady_follower_reads_its_pod_from_the_cache_every_five_minutes_and_writes_nothing() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(400)
        bench.pods.calls.clear()
        await asyncio.sleep(3600)
    assert set(bench.pods.verbs()) == {"read me cached"}
    assert 10 <= len(bench.pods.calls) <= 15


async def test_a_steady_leader_lists_from_the_cache_every_minute_and_writes_nothing() -> None:
    bench = Bench()
    bench.verdict.set(2)
    async with bench.running():
        await asyncio.sleep(400)
        bench.pods.calls.clear()
        await asyncio.sleep(3600)
    assert set(bench.pods.verbs()) == {"select  cached"}
    assert 50 <= len(bench.pods.calls) <= 75


async def test_a_leader_strips_who_was_labelled_by_hand() -> None:
    bench = Bench()
    bench.verdict.set(2)
    async with bench.running():
        await asyncio.sleep(100)
        bench.pods.put("stray", {KEY: "leader"})
        await asyncio.sleep(75)
        assert bench.pods.labels("stray") == {KEY: "follower", TOKEN: "2"}
        assert bench.labeler.in_sync()


@pytest.mark.parametrize("token", [2, None])
async def test_an_own_label_changed_by_hand_is_put_right_within_the_resync(token: int | None) -> None:
    bench = Bench()
    bench.verdict.set(token)
    async with bench.running():
        await asyncio.sleep(100)
        right = bench.pods.labels("me")
        wrong = "follower" if token else "leader"
        bench.pods.put("me", {KEY: wrong}, {TOKEN: "2"})
        await asyncio.sleep(370)
        assert bench.pods.labels("me")[KEY] == right[KEY]


async def test_a_write_of_a_dead_run_that_lands_after_the_start_is_put_right_soon() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(0.5)
        bench.pods.put("me", {KEY: "leader"}, {TOKEN: "1"})
        await asyncio.sleep(2)
        assert bench.pods.labels("me")[KEY] == "follower"


async def test_a_lost_write_that_lands_later_is_put_right_soon() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(100)
        bench.pods.failures["patch"] = [KubeUnavailable("no answer")]
        bench.verdict.set(2)
        await asyncio.sleep(0.01)
        bench.verdict.set(None)
        await asyncio.sleep(1)
        bench.pods.put("me", {KEY: "electing"}, {TOKEN: "2"})
        await asyncio.sleep(6)
        assert bench.pods.labels("me")[KEY] == "follower"


async def test_a_conflict_is_read_and_tried_again_at_once() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(0.01)
        bench.pods.failures["patch"] = [KubeConflict("kubelet")]
        bench.verdict.set(2)
        await asyncio.sleep(0.001)
        assert bench.pods.labels("me")[KEY] == "leader"
    assert bench.metric("label_writes_total", result="conflict") == 1


async def test_without_rights_it_says_so_once_backs_off_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.pods.failures["patch"] = [KubeForbidden("PATCH pods/me: 403 not allowed") for _ in range(4)]
    with caplog.at_level(logging.INFO):
        async with bench.running():
            bench.verdict.set(2)
            await asyncio.sleep(60)
            assert bench.labeler.in_sync()
    said = [record for record in caplog.records if "cannot be kept" in record.getMessage()]
    assert len(said) == 1
    assert [event.reason for event in bench.pods.events] == ["LabelBlocked"]
    refused = [call.at for call in bench.pods.calls if call.verb == "patch"][:4]
    gaps = [later - earlier for earlier, later in itertools.pairwise(refused)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 0.5
    assert any("serves it again" in record.getMessage() for record in caplog.records)


async def test_a_new_leader_does_not_wait_by_what_failed_before() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(1)
        bench.pods.failures["patch"] = [KubeUnavailable("away") for _ in range(1000)]
        bench.verdict.set(2)
        await asyncio.sleep(100)
        bench.verdict.set(None)
        await asyncio.sleep(1)
        bench.pods.failures["patch"] = [KubeUnavailable("away")]
        bench.verdict.set(3)
        await asyncio.sleep(0.5)
        assert bench.pods.labels("me")[KEY] == "leader"


async def test_a_peer_that_cannot_be_stripped_keeps_the_label_off_and_the_leadership_stands() -> None:
    bench = Bench()
    bench.pods.put("old", {KEY: "leader"}, {TOKEN: "1"})
    bench.pods.denied = {"old"}
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(30)
        assert bench.pods.labels("me")[KEY] == "electing"
        assert not bench.labeler.in_sync()
        assert not bench.verdict.gone
        assert bench.metric("label_in_sync") == 0
    assert "LabelBlocked" in [event.reason for event in bench.pods.events]


async def test_a_higher_token_on_a_peer_raises_one_alarm_while_the_lock_is_still_mine() -> None:
    bench = Bench()
    bench.pods.put("old", {KEY: "leader"}, {TOKEN: "9"})
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(60)
        assert bench.pods.labels("old") == {KEY: "leader", TOKEN: "9"}
        assert bench.pods.labels("me")[KEY] == "electing"
        assert bench.metrics.registry.get_sample_value("leader_sidecar_history_alarms_total") == 1
        assert bench.metric("label_conflicts_total") == 1
        assert [event.reason for event in bench.pods.events] == ["LabelBlocked"]
        bench.pods.put("old", {KEY: "follower"})
        await asyncio.sleep(15)
        assert bench.pods.labels("me")[KEY] == "leader"


async def test_a_higher_token_raises_no_alarm_when_the_lock_is_not_mine_any_more() -> None:
    bench = Bench()
    bench.verdict.mine = False
    bench.pods.put("new", {KEY: "leader"}, {TOKEN: "9"})
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(5)
    assert bench.metrics.registry.get_sample_value("leader_sidecar_history_alarms_total") == 0
    assert bench.pods.events == []


async def test_joining_waits_for_a_leftover_to_be_put_right() -> None:
    bench = Bench()
    bench.pods.put("me", {KEY: "leader"}, {TOKEN: "1"})
    async with bench.running():
        assert not bench.labeler.initialised
        await bench.labeler.wait_initialised()
        assert bench.pods.labels("me") == {KEY: "follower"}
        assert asyncio.get_running_loop().time() < 0.1


async def test_joining_waits_at_most_two_seconds_while_the_api_is_away() -> None:
    bench = Bench()
    bench.pods.away = KubeUnavailable("connection refused")
    async with bench.running():
        start = asyncio.get_running_loop().time()
        await bench.labeler.wait_initialised()
        assert asyncio.get_running_loop().time() - start == pytest.approx(2, abs=0.01)
        assert not bench.labeler.may_say_leader()


async def test_the_step_down_waits_no_longer_than_it_may_for_a_label_that_cannot_be_taken_off() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(1)
        bench.pods.away = KubeUnavailable("connection refused")
        bench.verdict.set(None)
        start = asyncio.get_running_loop().time()
        assert not await bench.labeler.take_off(1.5)
        assert asyncio.get_running_loop().time() - start == pytest.approx(1.5, abs=0.01)
        assert bench.labeler.may_say_leader()
        bench.pods.away = None
        assert await bench.labeler.take_off(30)
        assert not bench.labeler.may_say_leader()


async def test_the_step_down_is_done_at_once_where_no_label_was_ever_read() -> None:
    bench = Bench()
    bench.pods.away = KubeUnavailable("connection refused")
    async with bench.running():
        await asyncio.sleep(3)
        assert await bench.labeler.take_off(10)


async def test_a_pod_that_is_gone_ends_the_run_and_is_reported() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(1)
        del bench.pods.all["me"]
        bench.verdict.set(2)
        await asyncio.sleep(1)
        assert bench.verdict.gone
        bench.pods.calls.clear()
        await asyncio.sleep(1000)
    assert bench.pods.calls == []


async def test_401_must_persist_before_the_pod_counts_as_gone() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(100)
        bench.pods.away = KubeUnauthorized("401")
        bench.verdict.set(2)
        await asyncio.sleep(2)
        assert not bench.verdict.gone
        bench.pods.away = None
        await asyncio.sleep(10)
        assert bench.labeler.in_sync()
        bench.pods.away = KubeUnauthorized("401")
        bench.verdict.set(None)
        await asyncio.sleep(8)
        assert bench.verdict.gone


async def test_foreign_pods_are_reported_and_not_touched(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Scheme(KEY, ExtraLabel("role", "primary", "replica")))
    bench.pods.put("stranger", {"role": "primary"})
    bench.verdict.set(2)
    with caplog.at_level(logging.WARNING):
        async with bench.running():
            await asyncio.sleep(400)
    assert bench.pods.labels("stranger") == {"role": "primary"}
    assert len([record for record in caplog.records if "stranger" in record.getMessage()]) == 1


async def test_every_write_is_counted_by_its_result() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(0.01)
        bench.verdict.set(2)
        await asyncio.sleep(0.01)
    assert bench.metric("label_writes_total", result="accepted") == 3  # follower, electing, leader
    assert bench.metric("label_in_sync") == 1
