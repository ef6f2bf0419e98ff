"""The router: carries decisions out in their time, and never loses a change of the verdict. Fake time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import pytest

from sidecar.election.route_scheme import Family, ServicePort
from sidecar.errors import KubeConflict, KubeForbidden, KubeUnauthorized, KubeUnavailable, ServiceMissing
from sidecar.kube.port import PodEvent
from sidecar.metrics import Metrics
from sidecar.router.port import Parting
from sidecar.router.router import Router
from tests.support.pods import LoopClock
from tests.support.routed import SetRoute
from tests.support.slices import SERVICE, FakeSlices

pytestmark = pytest.mark.looptime

AWAY = KubeUnavailable("the Kubernetes API: away")


class Bench:
    """One router on slices in memory; ``me`` is its pod."""

    def __init__(self, *addresses: str) -> None:
        self.slices, self.verdict, self.metrics = FakeSlices(*addresses), SetRoute(), Metrics()
        self.events: list[PodEvent] = []
        self.task: asyncio.Task[None] | None = None

    def say(self, event: PodEvent) -> None:
        self.events.append(event)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Router]:
        router = Router(
            election="e",
            name="me",
            uid="uid-me",
            grace_seconds=1.0,
            slices=self.slices,
            verdict=self.verdict,
            announcer=self,
            clock=LoopClock(),
            random=Random(1),
            metrics=self.metrics,
        )
        self.task = asyncio.create_task(router.run())
        try:
            yield router
        finally:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"leader_sidecar_{name}", {"election": "e", **labels})
        return value or 0.0


async def test_winning_is_one_read_and_one_write() -> None:
    bench = Bench()
    bench.slices.put("old", 1)
    async with bench.running() as router:
        await asyncio.sleep(200)
        bench.slices.calls.clear()
        bench.verdict.set(2)
        await asyncio.sleep(0.001)
        assert bench.slices.said()[:2] == ["find", "write IPv4 me 2"]
        assert router.in_sync()
        await asyncio.sleep(10)
    assert bench.slices.named() == ("me", 2)
    assert len(bench.slices.writes()) == 1
    assert bench.slices.all[Family.IPV4].ports[0].number == 8080
    assert bench.metric("route_writes_total", result="accepted") == 1


async def test_each_address_family_of_the_pod_gets_a_slice_and_what_it_lacks_is_emptied() -> None:
    both, four = Bench("10.0.0.1", "fd00::1"), Bench("10.0.0.1")
    four.slices.put("old", 1, Family.IPV6)
    async with both.running(), four.running():
        both.verdict.set(2)
        four.verdict.set(2)
        await asyncio.sleep(0.1)
    assert both.slices.writes() == ["write IPv4 me 2", "write IPv6 me 2"]
    assert four.slices.named(Family.IPV6) == ("", 2)


async def test_a_lost_lead_takes_the_endpoint_off_at_once_and_keeps_the_token() -> None:
    bench = Bench()
    async with bench.running() as router:
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.verdict.set(None)
        assert router.may_name_me()
        await asyncio.sleep(0.001)
        assert bench.slices.named() == ("", 2)
        assert router.in_sync()
        assert not router.may_name_me()


async def test_a_lead_given_up_leaves_the_endpoint_to_the_successor() -> None:
    bench = Bench()
    async with bench.running() as router:
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.verdict.set(None, Parting.LEAVING)
        await asyncio.sleep(3)
        assert bench.slices.named() == ("me", 2)
        bench.verdict.set(None, Parting.LEFT)
        await asyncio.sleep(0.03)
        bench.slices.put("next", 3)
        await asyncio.sleep(5)
        assert bench.slices.named() == ("next", 3)
        assert not router.may_name_me()
    assert bench.slices.writes() == ["write IPv4 me 2"]


async def test_an_endpoint_that_nobody_replaces_is_taken_off_when_the_grace_is_over() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.verdict.set(None, Parting.LEFT)
        await asyncio.sleep(0.9)
        assert bench.slices.named() == ("me", 2)
        await asyncio.sleep(0.11)
        assert bench.slices.named() == ("", 2)


async def test_the_grace_of_one_leadership_says_nothing_of_the_next() -> None:
    bench = Bench()
    async with bench.running():
        for token in (2, 4):
            bench.verdict.set(token)
            await asyncio.sleep(5)
            bench.verdict.set(None, Parting.LEFT)
            await asyncio.sleep(0.9)
            assert bench.slices.named() == ("me", token)
            await asyncio.sleep(5)


async def test_at_the_end_of_the_process_it_waits_for_the_successor_and_no_longer() -> None:
    bench = Bench()
    async with bench.running() as router:
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.verdict.set(None, Parting.LEFT)
        bench.slices.put("next", 3)
        before = LoopClock().now()
        assert await router.hand_over(2)
        assert LoopClock().now() - before < 0.15
    assert bench.slices.writes() == ["write IPv4 me 2"]


async def test_at_the_end_of_the_process_the_endpoint_goes_even_when_the_lock_could_not_be_released() -> None:
    bench = Bench()
    async with bench.running() as router:
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.verdict.set(None, Parting.LEAVING)
        assert await router.hand_over(2)
    assert bench.slices.named() == ("", 2)


async def test_who_never_led_has_nothing_to_hand_over() -> None:
    bench = Bench()
    bench.slices.put("other", 1)
    async with bench.running() as router:
        await asyncio.sleep(1)
        before = LoopClock().now()
        assert await router.hand_over(2)
        assert LoopClock().now() == before


async def test_a_lost_lead_overtakes_a_write_that_hangs_and_the_late_one_fails() -> None:
    bench = Bench()
    bench.slices.put("old", 1)
    async with bench.running() as router:
        await asyncio.sleep(1)
        bench.slices.hanging = {"write"}
        bench.verdict.set(2)
        await asyncio.sleep(1)
        bench.slices.hanging = set()
        bench.verdict.set(None)
        await asyncio.sleep(0.001)
        assert bench.slices.named() == ("", 2)
        assert router.in_sync()
        bench.slices.release.set()
        await asyncio.sleep(1)
        assert bench.slices.named() == ("", 2)


async def test_what_an_earlier_run_left_is_taken_off_before_joining() -> None:
    bench = Bench()
    bench.slices.put("me", 7)
    async with bench.running() as router:
        await router.wait_initialised()
        assert bench.slices.named() == ("", 7)
        assert LoopClock().now() < 0.1


async def test_with_the_api_away_joining_waits_two_seconds() -> None:
    bench = Bench()
    bench.slices.away = AWAY
    async with bench.running() as router:
        start = LoopClock().now()
        await router.wait_initialised()
        assert LoopClock().now() - start == pytest.approx(2.0, abs=0.01)


async def test_another_pods_higher_token_is_never_replaced_and_raises_an_alarm_while_i_lead() -> None:
    bench = Bench()
    bench.slices.put("old", 900)
    async with bench.running() as router:
        bench.verdict.set(4)
        await asyncio.sleep(30)
        assert bench.slices.named() == ("old", 900)
        assert bench.slices.writes() == []
        assert not router.in_sync()
        assert bench.metrics.registry.get_sample_value("leader_sidecar_history_alarms_total") == 1
        assert [event.reason for event in bench.events] == ["RouteBlocked"]
        assert "s-leader-sidecar-ipv4" in bench.events[0].message
        bench.slices.put("", 900)  # its own sidecar has taken it off
        await asyncio.sleep(15)
        assert bench.slices.named() == ("me", 4)


async def test_a_higher_token_is_not_replaced_by_who_only_believes_to_lead() -> None:
    bench = Bench()
    bench.slices.put("", 900)
    bench.verdict.mine = False
    async with bench.running():
        bench.verdict.set(4)
        await asyncio.sleep(30)
    assert bench.slices.named() == ("", 900)
    assert bench.metrics.registry.get_sample_value("leader_sidecar_history_alarms_total") == 0


async def test_a_change_of_the_services_ports_is_followed() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.slices.about = replace(SERVICE, ports=(ServicePort("web", "TCP", 9090),))
        await asyncio.sleep(75)
        assert [port.number for port in bench.slices.all[Family.IPV4].ports] == [9090]


async def test_a_slice_changed_by_hand_is_put_right() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.slices.put("stranger", 2)
        await asyncio.sleep(75)
        assert bench.slices.named() == ("me", 2)


async def test_a_slice_that_was_deleted_is_made_anew() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(70)
        bench.slices.all.clear()
        await asyncio.sleep(75)
        assert bench.slices.named() == ("me", 2)


async def test_in_steady_state_a_leader_writes_nothing_and_reads_little() -> None:
    bench = Bench()
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(200)
        bench.slices.calls.clear()
        await asyncio.sleep(600)
    assert bench.slices.writes() == []
    assert 10 <= bench.slices.said().count("find cached") <= 13
    assert bench.slices.said().count("find") == 0


async def test_a_follower_reads_from_the_cache_every_five_minutes() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(200)
        bench.slices.calls.clear()
        await asyncio.sleep(3000)
    assert set(bench.slices.said()) == {"find cached"}
    assert 8 <= len(bench.slices.calls) <= 13


async def test_without_rights_it_says_so_once_and_goes_on_trying() -> None:
    bench = Bench()
    bench.slices.failures["write"] = [KubeForbidden("PUT endpointslices: 403")] * 3
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(120)
        assert bench.slices.named() == ("me", 2)
    assert [event.reason for event in bench.events] == ["RouteBlocked"]
    assert "leader-sidecar:route" in bench.events[0].message


async def test_a_service_that_is_missing_is_named_and_waited_for() -> None:
    bench = Bench()
    bench.slices.failures["service"] = [ServiceMissing("there is no Service default/s")] * 3
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(120)
        assert bench.slices.named() == ("me", 2)
    assert "no Service default/s" in bench.events[0].message


async def test_a_pod_without_an_address_yet_is_waited_for() -> None:
    bench = Bench()
    bench.slices.pod = replace(bench.slices.pod, addresses=())
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(1)
        assert bench.slices.all == {}
        bench.slices.pod = replace(bench.slices.pod, addresses=("10.0.0.1",))
        await asyncio.sleep(3)
        assert bench.slices.named() == ("me", 2)


async def test_slices_that_somebody_else_keeps_are_reported_once_and_not_touched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    bench = Bench()
    bench.slices.strangers = ("s-x7k2p",)
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(300)
    assert [event.reason for event in bench.events] == ["RouteBlocked"]
    assert "s-x7k2p" in bench.events[0].message
    assert bench.metric("route_conflicts_total") == 1


async def test_target_ports_that_no_container_has_are_left_out_and_named() -> None:
    bench = Bench()
    bench.slices.about = replace(SERVICE, ports=(ServicePort("a", "TCP", "http"), ServicePort("b", "TCP", 1)))
    async with bench.running():
        bench.verdict.set(2)
        await asyncio.sleep(1)
    assert [port.name for port in bench.slices.all[Family.IPV4].ports] == ["b"]
    assert "http" in bench.events[0].message


async def test_a_conflict_is_read_again_and_tried_at_once() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(1)
        bench.slices.failures["write"] = [KubeConflict("409")]
        bench.verdict.set(2)
        await asyncio.sleep(0.01)
        assert bench.slices.named() == ("me", 2)


@pytest.mark.parametrize("gone", ["replaced", "removed", "unauthorized"])
async def test_a_pod_that_is_gone_ends_it(gone: str) -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(1)
        if gone == "replaced":
            bench.slices.pod = replace(bench.slices.pod, uid="uid-other")
        elif gone == "removed":
            bench.slices.pod = replace(bench.slices.pod, name="other")
        else:
            bench.slices.away = KubeUnauthorized("401")
        bench.verdict.set(2)
        await asyncio.sleep(20)
        assert bench.task is not None
        assert bench.task.done()


async def test_a_lost_lead_does_not_wait_for_a_read_that_hangs() -> None:
    bench = Bench()
    async with bench.running() as router:
        bench.verdict.set(2)
        await asyncio.sleep(5)
        bench.slices.hanging = {"find", "service"}
        await asyncio.sleep(75)
        bench.verdict.set(None)
        await asyncio.sleep(0.001)
        assert bench.slices.named() == ("", 2)
        bench.slices.release.set()
        await asyncio.sleep(1)
        assert router.in_sync()
        assert bench.slices.named() == ("", 2)
