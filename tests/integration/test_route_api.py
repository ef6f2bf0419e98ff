"""The route on a Kubernetes API over real HTTP: kmock in every run, a real kube-apiserver where it is built.

There with the chart's rights and policy, which have their own test in tests/chart.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.election.route_scheme import Endpoint, Family, slice_name
from sidecar.errors import KubeConflict, KubeForbidden, PodGone
from sidecar.router.port import Parting
from tests.support.kube import APIS, Api, RealApi, api_named, eventually
from tests.support.routed import PORTS, SERVICE, RoutedPod, routed_to

Start = Callable[..., Awaitable[RoutedPod]]


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        if isinstance(named, RealApi):
            await named.give_route_rights()
        await named.create_service(SERVICE, {"ports": PORTS})
        yield named


@pytest.fixture
async def start(api: Api, tmp_path: Path) -> AsyncIterator[Start]:
    """Creates a pod and runs its router until the test ends."""
    async with contextlib.AsyncExitStack() as stack:
        numbers = itertools.count(1)

        async def begin(name: str) -> RoutedPod:
            uid = await api.create_pod(name, {}, {})
            await api.give_addresses(name, f"10.0.0.{next(numbers)}")
            return await stack.enter_async_context(RoutedPod(api, tmp_path, name, uid))

        yield begin


async def becomes_right(*pods: RoutedPod) -> None:
    for pod in pods:
        await eventually(pod.router.in_sync, f"the route is right as {pod.name} sees it")


async def the_route_is(api: Api, name: str, token: int) -> None:
    for _ in range(6000):
        if (now := await routed_to(api)) == (name, token):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{now}, not {(name, token)}")


async def one(api: Api) -> dict[str, Any]:
    [found] = await api.slices()
    return found


async def test_the_winners_slice_names_it_alone_and_says_all_that_kube_proxy_asks(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    await becomes_right(a, b)
    assert await api.slices() == []
    a.verdict.set(7)
    await becomes_right(a, b)
    found = await one(api)
    assert found["metadata"]["name"] == slice_name(SERVICE, Family.IPV4)
    assert found["metadata"]["labels"] == {
        "kubernetes.io/service-name": SERVICE,
        "endpointslice.kubernetes.io/managed-by": "leader-sidecar",
    }
    assert found["addressType"] == "IPv4"
    [endpoint] = found["endpoints"]
    assert endpoint["addresses"] == ["10.0.0.1"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert endpoint["targetRef"]["uid"] == a.uid
    assert found["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
    assert await routed_to(api) == ("a", 7)


async def test_handovers_never_show_two_nor_none(api: Api, start: Start) -> None:
    pods = [await start(name) for name in "abc"]
    await becomes_right(*pods)
    pods[0].verdict.set(1)
    await becomes_right(*pods)
    seen: list[tuple[str, int]] = []

    async def look() -> None:
        while True:
            seen.append(await routed_to(api))
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    for token, (old, new) in enumerate(itertools.pairwise([*pods, *pods]), 2):
        old.verdict.set(None, Parting.LEAVING)
        old.verdict.set(None, Parting.LEFT)
        new.verdict.set(token)
        await the_route_is(api, new.name, token)
        await becomes_right(old, new)
    looking.cancel()
    await asyncio.wait([looking])
    assert {len(names) for names, _ in seen} == {1}
    assert [token for _, token in seen] == sorted(token for _, token in seen)
    for pod in pods:
        assert pod.metrics.route_writes.labels("e", "accepted")._value.get() <= 2, "one write a move"  # noqa: SLF001


async def test_a_leader_that_died_is_replaced_by_the_next(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a)
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    assert await routed_to(api) == ("b", 2)


async def test_a_lost_lead_takes_the_endpoint_off_and_keeps_the_token(api: Api, start: Start) -> None:
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    a.verdict.set(None)
    await the_route_is(api, "", 1)


async def test_what_nobody_takes_over_goes_when_the_grace_is_over(api: Api, start: Start) -> None:
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    a.verdict.set(None, Parting.LEFT)
    assert await routed_to(api) == ("a", 1)
    await the_route_is(api, "", 1)


async def test_a_deposed_leaders_late_write_is_refused(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a)
    await a.stop()
    [found], _ = await a.slices.find(cached=False)
    b.verdict.set(2)
    await becomes_right(b)
    with pytest.raises(KubeConflict):
        await a.slices.replace(found, replace(found, ports=()))
    with pytest.raises(KubeConflict):
        await a.slices.replace(replace(found, version=""), found)
    assert await routed_to(api) == ("b", 2)


@pytest.mark.parametrize("api", [pytest.param("real", marks=[pytest.mark.tools])], indirect=True)
async def test_the_api_server_itself_refuses_a_deposed_leaders_token(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a)
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    [now], _ = await a.slices.find(cached=False)
    mine = Endpoint("10.0.0.1", "a", a.uid, "")
    with pytest.raises(KubeForbidden, match="higher token"):
        await a.slices.replace(now, replace(now, token=1, endpoints=(mine,)))


async def test_what_an_earlier_run_left_is_taken_off_before_joining(api: Api, start: Start, tmp_path: Path) -> None:
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    await a.stop()
    async with RoutedPod(api, tmp_path, "a", a.uid) as again:
        await asyncio.wait_for(again.router.wait_initialised(), 60)
        await the_route_is(api, "", 1)


async def test_after_etcd_was_replaced_an_endpoint_stands_until_its_own_sidecar_takes_it_off(
    api: Api, start: Start, tmp_path: Path
) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(900)
    await becomes_right(a)
    await a.stop()
    b.verdict.set(4)
    alarms = b.metrics.history_alarms
    await eventually(lambda: alarms._value.get() >= 1, "b raises the alarm")  # noqa: SLF001
    assert await routed_to(api) == ("a", 900)
    async with RoutedPod(api, tmp_path, "a", a.uid):
        await the_route_is(api, "b", 4)


async def test_a_pod_made_anew_under_the_same_name_writes_nothing_for_the_old_one(api: Api, start: Start) -> None:
    a = await start("a")
    await becomes_right(a)
    await api.remove_pod("a")
    await api.create_pod("a", {}, {})
    a.verdict.set(3)
    await eventually(lambda: not a.runs, "it ends: its pod is gone")


async def test_a_change_of_ports_and_a_deleted_slice_are_put_right_by_the_next_look(api: Api, start: Start) -> None:
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    await api.edit_service(SERVICE, {"ports": [{**PORTS[0], "targetPort": 9090}]})
    await api.delete_slice(slice_name(SERVICE, Family.IPV4))
    for _ in range(6000):  # a careful look comes within a second of the start, others later
        if any(found["ports"][0]["port"] == 8080 for found in await api.slices()):
            break
        await asyncio.sleep(0.01)
    await the_route_is(api, "a", 1)


async def test_a_stranger_among_the_slices_is_reported_and_left_alone(api: Api, start: Start) -> None:
    stranger = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.9.9.9"]}],
        "ports": [],
    }
    await api.write_slice(stranger)
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    for _ in range(6000):
        if events := await api.events():
            break
        await asyncio.sleep(0.01)
    assert events[0]["reason"] == "RouteBlocked"
    assert "by-hand" in events[0]["message"]
    assert {found["metadata"]["name"] for found in await api.slices()} == {"by-hand", f"{SERVICE}-leader-sidecar-ipv4"}


async def test_without_the_api_the_route_waits_and_is_written_once_it_is_back(api: Api, start: Start) -> None:
    a = await start("a")
    await becomes_right(a)
    await api.go_away()
    a.verdict.set(1)
    await asyncio.sleep(0.3)
    assert a.runs
    assert not a.router.in_sync()
    await api.come_back()
    await the_route_is(api, "a", 1)


async def test_in_steady_state_nothing_is_written(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a, b)
    before = (await one(api))["metadata"]["resourceVersion"]
    await asyncio.sleep(2)  # the first careful looks come after one second
    assert (await one(api))["metadata"]["resourceVersion"] == before


async def test_the_api_answers_as_the_decisions_take_for_granted(api: Api, start: Start) -> None:
    """A create where there is one, and a stale version: conflict; a replacement of what is gone: gone."""
    a = await start("a")
    a.verdict.set(1)
    await becomes_right(a)
    await a.stop()
    [found], _ = await a.slices.find(cached=False)
    with pytest.raises(KubeConflict):
        await a.slices.replace(replace(found, version=""), found)
    await api.delete_slice(slice_name(SERVICE, Family.IPV4))
    with pytest.raises((PodGone, KubeConflict)):
        await a.slices.replace(found, replace(found, endpoints=()))
