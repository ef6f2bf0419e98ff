"""A sidecar that resumes in a pod: neither its label nor its route ever shows that it was away."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.etcd import Cluster, running
from tests.support.kube import APIS, Api, RealApi, api_named
from tests.support.labelled import KEY, TOKEN
from tests.support.routed import PORTS, SERVICE, routed_to
from tests.support.sidecar import SidecarProcess

pytestmark = pytest.mark.slow

TTL_SECONDS = 10
_LOCKS = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("pods") / "etcd")) as cluster:
        yield cluster


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        if isinstance(named, RealApi):
            await named.give_route_rights()
        await named.create_service(SERVICE, {"ports": PORTS})
        yield named


class Pods:
    """Sidecars with label and route, each for a pod and with a folder of its own.

    What waits runs in a thread, for kmock lives in the test's loop.
    """

    def __init__(self, api: Api, etcd: Cluster, folder: Path) -> None:
        self.api, self._etcd, self._folder = api, etcd, folder
        self._lock = f"/resumed/{next(_LOCKS)}"
        self.all: dict[str, SidecarProcess] = {}

    async def add(self, name: str, *flags: str) -> SidecarProcess:
        uid = await self.api.create_pod(name, {}, {})
        await self.api.give_addresses(name, f"10.0.0.{len(self.all) + 1}")
        kubeconfig = self.api.kubeconfig(self._folder, name, uid)
        (self._folder / name).mkdir()
        self.all[name] = sidecar = SidecarProcess(
            name,
            etcd_endpoints=",".join(self._etcd.endpoints),
            lock_name=self._lock,
            folder=self._folder,
            ttl_seconds=TTL_SECONDS,
            flags=[
                "--labels",
                f"--route={SERVICE}",
                f"--kubeconfig={kubeconfig}",
                f"--state-dir={self._folder / name}",
                *flags,
            ],
            environment={"POD_NAME": name, "POD_UID": uid, "POD_NAMESPACE": self.api.namespace},
        )
        sidecar.start()
        return sidecar

    async def shown(self) -> tuple[str, str, str, int, str]:
        """Of pod a: its label, its token and its version; and where the route leads."""
        metadata = (await self.api.pod("a"))["metadata"]
        name, token = await routed_to(self.api)
        told = (metadata.get("labels") or {}).get(KEY, ""), (metadata.get("annotations") or {}).get(TOKEN, "")
        return (*told, metadata["resourceVersion"], token, name)

    async def a_leads(self) -> tuple[str, str, str, int, str]:
        """Wait until a leads, and label and route say so."""
        body = await asyncio.to_thread(self.all["a"].wait_until_leading)
        for _ in range(6000):
            shown = await self.shown()
            if (shown[0], shown[1], shown[3], shown[4]) == ("leader", str(body["token"]), body["token"], "a"):
                return shown
            await asyncio.sleep(0.01)
        raise AssertionError(f"{shown}\n{self.all['a'].output()}")

    async def ready(self, sidecar: SidecarProcess) -> None:
        """Wait until its label and route are as they should be."""
        for _ in range(600):
            status, answer = await asyncio.to_thread(sidecar.ask, "/readyz?strict")
            if status == 200:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(answer)

    def kill(self) -> None:
        for sidecar in self.all.values():
            sidecar.kill()


@pytest.fixture
async def pods(api: Api, etcd: Cluster, tmp_path: Path) -> AsyncIterator[Pods]:
    pods = Pods(api, etcd, tmp_path)
    yield pods
    pods.kill()


@contextlib.asynccontextmanager
async def watching(pods: Pods) -> AsyncIterator[set[tuple[str, str, str, int, str]]]:
    """All that is shown meanwhile."""
    seen = {await pods.shown()}

    async def look() -> None:
        while True:
            seen.add(await pods.shown())
            await asyncio.sleep(0.002)

    looking = asyncio.create_task(look())
    yield seen
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


@pytest.mark.parametrize("end", ["killed", "restarted alone as a native sidecar"])
async def test_a_leaders_label_and_route_stay_through_a_restart_and_nothing_is_written(pods: Pods, end: str) -> None:
    a = await pods.add("a", "--native")
    before = await pods.a_leads()
    b = await pods.add("b", "--native")
    await asyncio.to_thread(b.wait_until_it_knows, "a")
    await pods.ready(b)
    await pods.ready(a)
    async with watching(pods) as seen:
        if end == "killed":
            a.kill()
        else:
            assert await asyncio.to_thread(a.terminate) == 0
        a.start()
        after = await pods.a_leads()
        await pods.ready(a)
    assert after == before
    assert seen == {before}
    assert [entry for entry in (await asyncio.to_thread(b.ask, "/history"))[1]["transitions"] if entry["token"]] == []


async def test_a_lead_lost_after_a_resume_leaves_the_label_and_the_route(pods: Pods) -> None:
    a = await pods.add("a")
    await pods.a_leads()
    b = await pods.add("b")
    await asyncio.to_thread(b.wait_until_it_knows, "a")
    a.kill()
    a.start()
    label, token, *_ = await pods.a_leads()
    assert label == "leader"
    await asyncio.to_thread(a.resign, drain=True)
    await asyncio.to_thread(b.wait_until_leading)
    await pods.ready(b)
    await pods.ready(a)
    label, left, _, _, routed = await pods.shown()
    assert (label, routed) == ("follower", "b")
    assert left == token, "the token stays, and goes on fencing what is late"


async def test_what_is_not_resumed_is_put_right_before_joining(pods: Pods) -> None:
    a = await pods.add("a")
    await pods.a_leads()
    a.kill()
    next((pods._folder / "a").glob("place.json")).write_text("nothing to be read")  # noqa: SLF001
    async with watching(pods) as seen:
        a.start()
        await pods.a_leads()  # when the lease of the run before has ended
    assert {label for label, *_ in seen} >= {"leader", "follower"}
    assert "" in {routed for *_, routed in seen}


async def test_while_etcd_is_away_the_label_goes_off_and_comes_back_with_the_lead(pods: Pods, etcd: Cluster) -> None:
    a = await pods.add("a", "--ttl=60")
    before = await pods.a_leads()
    a.kill()
    etcd.freeze()
    try:
        a.start()
        for _ in range(6000):
            label, _, _, _, routed = await pods.shown()
            if (label, routed) == ("follower", ""):
                break
            await asyncio.sleep(0.01)
        assert (label, routed) == ("follower", "")
        assert (await asyncio.to_thread(a.leader))[0] == 503
    finally:
        etcd.thaw()
    label, token, _, _, _ = await pods.a_leads()
    assert (label, token) == ("leader", before[1])
