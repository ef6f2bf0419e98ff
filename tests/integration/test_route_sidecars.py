"""Whole sidecars as processes, on a real etcd and a Kubernetes API: the route follows the lead."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.etcd import Cluster, running
from tests.support.kube import APIS, Api, RealApi, api_named
from tests.support.labelled import KEY
from tests.support.routed import PORTS, SERVICE, routed_to
from tests.support.sidecar import SidecarProcess

pytestmark = pytest.mark.slow

_LOCKS = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("route") / "etcd")) as cluster:
        yield cluster


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        if isinstance(named, RealApi):
            await named.give_route_rights()
        await named.create_service(SERVICE, {"ports": PORTS})
        yield named


class Pods:
    """Sidecars, each for a pod of its own. What waits runs in a thread, for kmock lives in the test's loop."""

    def __init__(self, api: Api, etcd: Cluster, folder: Path) -> None:
        self.api, self._etcd, self._folder = api, etcd, folder
        self._lock = f"/route/{next(_LOCKS)}"
        self.all: dict[str, SidecarProcess] = {}

    async def add(self, name: str, *flags: str) -> SidecarProcess:
        uid = await self.api.create_pod(name, {}, {})
        await self.api.give_addresses(name, f"10.0.0.{len(self.all) + 1}")
        kubeconfig = self.api.kubeconfig(self._folder, name, uid)
        self.all[name] = sidecar = SidecarProcess(
            name,
            etcd_endpoints=",".join(self._etcd.endpoints),
            lock_name=self._lock,
            folder=self._folder,
            flags=[f"--route={SERVICE}", f"--kubeconfig={kubeconfig}", *flags],
            environment={"POD_NAME": name, "POD_UID": uid, "POD_NAMESPACE": self.api.namespace},
        )
        sidecar.start()
        return sidecar

    async def leads_to(self, name: str) -> int:
        """Wait until the slice names this pod (or nobody); its token."""
        for _ in range(6000):
            now, token = await routed_to(self.api)
            if now == name and token:
                return token
            await asyncio.sleep(0.01)
        logs = "\n".join(sidecar.output() for sidecar in self.all.values())
        raise AssertionError(f"the route leads to {now!r}, not to {name!r}\n{logs}")

    def kill(self) -> None:
        for sidecar in self.all.values():
            sidecar.kill()


@pytest.fixture
async def pods(api: Api, etcd: Cluster, tmp_path: Path) -> AsyncIterator[Pods]:
    pods = Pods(api, etcd, tmp_path)
    yield pods
    pods.kill()


async def two(pods: Pods, *flags: str) -> tuple[SidecarProcess, SidecarProcess]:
    """The first leads, the second waits, and the route says so."""
    a = await pods.add("a", *flags)
    await pods.leads_to("a")
    b = await pods.add("b", *flags)
    await asyncio.to_thread(b.wait_until_waiting)
    return a, b


async def ready(sidecar: SidecarProcess) -> None:
    for _ in range(600):
        status, answer = await asyncio.to_thread(sidecar.ask, "/readyz?strict")
        if status == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(answer)


@pytest.mark.parametrize("flags", [(), ("--labels",)], ids=["alone", "beside the label"])
async def test_the_route_and_its_token_say_what_the_leader_answers(pods: Pods, flags: tuple[str, ...]) -> None:
    a, b = await two(pods, *flags)
    _, body = await asyncio.to_thread(a.leader)
    assert await pods.leads_to("a") == body["token"]
    for sidecar in (a, b):
        await ready(sidecar)
    labels = (await pods.api.pod("a"))["metadata"].get("labels") or {}
    assert labels.get(KEY) == ("leader" if flags else None)


async def test_a_killed_leaders_place_goes_to_its_successor(pods: Pods) -> None:
    a, _ = await two(pods)
    before = await pods.leads_to("a")
    a.kill()
    assert await pods.leads_to("b") > before


@pytest.mark.parametrize("way", ["resign", "transfer"])
async def test_a_lead_given_up_moves_the_route_by_one_write(pods: Pods, way: str) -> None:
    a, b = await two(pods)
    versions: list[str] = []

    async def look() -> None:
        while True:
            [found] = await pods.api.slices()
            versions.append(found["metadata"]["resourceVersion"])
            assert len(found["endpoints"]) == 1
            await asyncio.sleep(0.002)

    looking = asyncio.create_task(look())
    if way == "resign":
        await asyncio.to_thread(a.resign, drain=True)
    else:
        await asyncio.to_thread(a.transfer, "b")
    await pods.leads_to("b")
    await ready(b)
    await ready(a)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert len(set(versions)) == 2


@pytest.mark.parametrize("flags", [(), ("--native",)], ids=["plain", "native"])
async def test_a_sidecar_that_is_told_to_stop_leaves_its_place_to_the_successor(
    pods: Pods, flags: tuple[str, ...]
) -> None:
    a, _ = await two(pods, *flags)
    await pods.api.terminate_pod("a")
    assert await asyncio.to_thread(a.terminate) == 0
    assert (await routed_to(pods.api))[0] == "b", "it waited for that"


@pytest.mark.parametrize("flags", [(), ("--native",)], ids=["plain", "native"])
async def test_the_last_sidecar_takes_its_place_along(pods: Pods, flags: tuple[str, ...]) -> None:
    a = await pods.add("a", *flags)
    await pods.leads_to("a")
    await pods.api.terminate_pod("a")
    assert await asyncio.to_thread(a.terminate) == 0
    assert (await routed_to(pods.api))[0] == ""


async def test_a_native_sidecar_that_is_restarted_alone_leaves_everything_as_it_is(pods: Pods) -> None:
    a, _ = await two(pods, "--native", "--ttl=30")
    before = await routed_to(pods.api)
    assert await asyncio.to_thread(a.terminate) == 0
    assert await routed_to(pods.api) == before


async def test_a_frozen_leader_that_wakes_up_does_not_take_its_place_back(pods: Pods) -> None:
    a, _ = await two(pods)
    a.freeze()
    token = await pods.leads_to("b")
    a.thaw()
    await asyncio.to_thread(a.wait_until_waiting)
    await ready(a)
    assert await routed_to(pods.api) == ("b", token)
