"""Whole sidecars as processes, on a real etcd and a Kubernetes API: the label follows the lead."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.etcd import Cluster, running
from tests.support.kube import APIS, Api, api_named
from tests.support.labelled import KEY, TOKEN
from tests.support.sidecar import SidecarProcess

_LOCKS = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("label") / "etcd")) as cluster:
        yield cluster


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        yield named


class Pods:
    """Two sidecars, each for a pod of its own. What waits runs in a thread, for kmock lives in the test's loop."""

    def __init__(self, api: Api, etcd: Cluster, folder: Path) -> None:
        self.api, self._etcd, self._folder = api, etcd, folder
        self._lock = f"/label/{next(_LOCKS)}"
        self.all: dict[str, SidecarProcess] = {}

    async def add(self, name: str, *flags: str) -> SidecarProcess:
        uid = await self.api.create_pod(name, {}, {})
        kubeconfig = self.api.kubeconfig(self._folder, name, uid)
        self.all[name] = sidecar = SidecarProcess(
            name,
            etcd_endpoints=",".join(self._etcd.endpoints),
            lock_name=self._lock,
            folder=self._folder,
            flags=["--labels", f"--kubeconfig={kubeconfig}", *flags],
            environment={"POD_NAME": name, "POD_UID": uid, "POD_NAMESPACE": self.api.namespace},
        )
        sidecar.start()
        return sidecar

    async def says(self, name: str, role: str) -> None:
        """Wait until the pod's label says so."""
        for _ in range(6000):
            metadata = (await self.api.pod(name))["metadata"]
            if metadata.get("labels", {}).get(KEY) == role:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{name} does not say {role}: {metadata}\n{self.all[name].output()}")

    async def token(self, name: str) -> int:
        return int((await self.api.pod(name))["metadata"]["annotations"][TOKEN])

    def kill(self) -> None:
        for sidecar in self.all.values():
            sidecar.kill()


@pytest.fixture
async def pods(api: Api, etcd: Cluster, tmp_path: Path) -> AsyncIterator[Pods]:
    pods = Pods(api, etcd, tmp_path)
    yield pods
    pods.kill()


async def two(pods: Pods, *flags: str) -> tuple[SidecarProcess, SidecarProcess]:
    """The first leads, the second waits, and the labels say so."""
    a = await pods.add("a", *flags)
    await pods.says("a", "leader")
    b = await pods.add("b", *flags)
    await asyncio.to_thread(b.wait_until_waiting)
    await pods.says("b", "follower")
    return a, b


async def test_the_label_and_its_token_say_what_the_leader_answers(pods: Pods) -> None:
    a, b = await two(pods)
    _, body = await asyncio.to_thread(a.leader)
    assert body["is_leader"]
    assert await pods.token("a") == body["token"]
    for sidecar in (a, b):
        status, answer = await asyncio.to_thread(sidecar.ask, "/readyz?strict")
        assert status == 200, answer


async def test_a_killed_leaders_label_goes_to_its_successor(pods: Pods) -> None:
    a, _ = await two(pods)
    before = await pods.token("a")
    a.kill()
    await pods.says("b", "leader")
    await pods.says("a", "follower")
    assert await pods.token("b") > before
    assert await pods.token("a") == await pods.token("b")


async def test_a_sidecar_that_is_told_to_stop_takes_its_label_off_first(pods: Pods) -> None:
    a, _ = await two(pods)
    before = await pods.token("a")
    assert await asyncio.to_thread(a.terminate) == 0
    await pods.says("a", "follower")
    assert await pods.token("a") == before, "the leaver did it itself, so that nobody had to"
    await pods.says("b", "leader")


async def test_a_native_sidecar_of_an_ending_pod_leaves_its_label_to_the_successor(pods: Pods) -> None:
    a, _ = await two(pods, "--native")
    await pods.api.terminate_pod("a")
    assert await asyncio.to_thread(a.terminate) == 0
    await pods.says("b", "leader")
    await pods.says("a", "follower")
    assert await pods.token("a") == await pods.token("b"), "the successor stripped it"


async def test_a_removed_pods_sidecar_resigns(pods: Pods) -> None:
    a, b = await two(pods)
    await pods.api.remove_pod("a")
    await pods.api.create_pod("a", {}, {})
    await asyncio.to_thread(a.resign)
    await asyncio.to_thread(b.wait_until_leading)
    await pods.says("b", "leader")
    assert KEY not in (await pods.api.pod("a"))["metadata"].get("labels", {})
    await asyncio.to_thread(a.wait_for, "standing out", lambda body: body["state"] == "standing_out")


async def test_elections_are_told_as_events(pods: Pods) -> None:
    await two(pods)
    for _ in range(6000):
        events = await pods.api.events()
        if any(event["reason"] == "LeaderElected" and event["involvedObject"]["name"] == "a" for event in events):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(events)
