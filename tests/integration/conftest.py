"""Real etcd servers for the tests, and every store that the contract suite runs on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.clock import SystemClock
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from sidecar.metrics import Metrics
from tests.simulation.harness import SimulatedHarness
from tests.support.etcd import Cluster, Programs, distro_programs, running
from tests.support.etcd_harness import EtcdHarness
from tests.support.store_harness import StoreHarness
from tests.support.tools import etcd_binary, etcdctl_binary, etcdutl_binary

DISTRO = "etcd 3.5.1"


def programs(name: str) -> Programs:
    """``name`` is one of the stores below that are real."""
    if name == DISTRO:
        return distro_programs()
    version = name.removeprefix("etcd ")
    return Programs(etcd_binary(version), etcdctl_binary(version), etcdutl_binary(version))


REAL_STORES = [
    DISTRO,
    pytest.param("etcd 3.6", marks=pytest.mark.tools),
    pytest.param("etcd 3.7", marks=pytest.mark.tools),
]


class Clusters:
    """One-member clusters that tests share, each started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Cluster] = {}

    def get(self, name: str) -> Cluster:
        if name not in self._running:
            folder = self._folder / name.replace(" ", "-")
            self._running[name] = cluster = Cluster(folder, programs=programs(name))
            cluster.start()
        return self._running[name]

    def kill(self) -> None:
        for cluster in self._running.values():
            cluster.kill()


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    clusters = Clusters(tmp_path_factory.mktemp("shared"))
    yield clusters
    clusters.kill()


@pytest.fixture(params=["simulated", *REAL_STORES])
async def harness(request: pytest.FixtureRequest, clusters: Clusters) -> AsyncIterator[StoreHarness]:
    """A store under test: on the simulated etcd, and on each real one."""
    if request.param == "simulated":
        simulated = SimulatedHarness()
        simulated.start()
        yield simulated
        await simulated.close()
        return
    real = EtcdHarness(clusters.get(request.param))
    yield real
    await real.close()


@pytest.fixture(params=REAL_STORES)
def etcd_programs(request: pytest.FixtureRequest) -> Programs:
    """For what is shown on real servers only: each version's programs."""
    return programs(request.param)


@pytest.fixture
def etcd(tmp_path: Path, etcd_programs: Programs) -> Iterator[Cluster]:
    """One member of its own, to be broken at will."""
    with running(Cluster(tmp_path / "etcd", programs=etcd_programs)) as cluster:
        yield cluster


@pytest.fixture
def three(tmp_path: Path, etcd_programs: Programs) -> Iterator[Cluster]:
    """Three members of their own."""
    with running(Cluster(tmp_path / "three", size=3, programs=etcd_programs)) as cluster:
        yield cluster


class Opener:
    """Opens stores that are closed at the end of the test; they share ``metrics``."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.clock = SystemClock()
        self._stores: list[EtcdStore] = []

    def __call__(self, settings: EtcdSettings) -> EtcdStore:
        store = EtcdStore(settings, self.clock, self.metrics)
        self._stores.append(store)
        return store

    async def close(self) -> None:
        for store in self._stores:
            await store.close()

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of ``leader_sidecar_`` + ``name`` now; None where it was never set."""
        return self.metrics.registry.get_sample_value(f"leader_sidecar_{name}", labels)


@pytest.fixture
async def open_store() -> AsyncIterator[Opener]:
    opener = Opener()
    yield opener
    await opener.close()
