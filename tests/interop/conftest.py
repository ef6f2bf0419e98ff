"""One etcd for all interop tests, and a maker of candidates for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.candidates import TTL_SECONDS, Candidate, Etcdctl, GoProgram, Sidecar
from tests.support.etcd import Cluster, running
from tests.support.sidecar import SidecarProcess
from tests.support.tools import etcd_programs, interop_binary

SIDECAR = "sidecar"
FOREIGN = [
    "etcdctl lock",
    "etcdctl elect",
    pytest.param("go mutex", marks=pytest.mark.tools),
    pytest.param("go election", marks=pytest.mark.tools),
]
"""Every other program that stands in the same election."""

MakeCandidate = Callable[[str, str], Candidate]
"""From a kind and a name; the candidate has not joined yet, and ends with the test."""


@pytest.fixture(scope="session", params=["3.5", pytest.param("3.7", marks=pytest.mark.tools)])
def etcd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A fresh one-member etcd, the oldest and the newest at hand; its etcdctl is the foreigner."""
    programs = etcd_programs(request.param)
    with running(Cluster(tmp_path_factory.mktemp("etcd"), programs=programs)) as cluster:
        yield cluster


@pytest.fixture
def lock(request: pytest.FixtureRequest) -> str:
    """A lock name of this test's own."""
    return f"/interop/{request.node.name}"


@pytest.fixture
def make(etcd: Cluster, lock: str, tmp_path: Path) -> Iterator[MakeCandidate]:
    made: list[Candidate] = []

    def make_one(kind: str, name: str) -> Candidate:
        if kind == SIDECAR:
            process = SidecarProcess(
                name,
                etcd_endpoints=etcd.only.url,
                lock_name=lock,
                folder=tmp_path,
                ttl_seconds=TTL_SECONDS,
                flags=["--max-promise=0.3"],  # a drain waits for the last promise
            )
            made.append(Sidecar(process))
        else:
            program, how = kind.split()
            arguments = (etcd.only.url, lock, tmp_path, name)
            made.append(
                Etcdctl(how, etcd.programs.etcdctl, *arguments)
                if program == "etcdctl"
                else GoProgram(how, interop_binary(), *arguments)
            )
        return made[-1]

    yield make_one
    for candidate in made:
        candidate.child.kill()
