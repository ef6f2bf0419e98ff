"""``exec`` beside real sidecars on a real etcd, each a process: no two commands live at a time, whoever fails."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.children import Child
from tests.support.commanded import TTL_SECONDS, Beats, client, guard_of
from tests.support.etcd import Cluster, running
from tests.support.sidecar import SidecarProcess


@dataclass(frozen=True)
class Pod:
    """A sidecar, and a workload's container with ``exec`` as its process 1."""

    sidecar: SidecarProcess
    exec: Child


@dataclass(frozen=True)
class Pods:
    """``leader``'s command beats; ``other`` waits."""

    leader: Pod
    other: Pod
    beats: Beats


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("beside"))) as cluster:
        yield cluster


@pytest.fixture
def pods(etcd: Cluster, tmp_path: Path) -> Iterator[Pods]:
    """At the end no two commands have lived at the same time."""
    beats = Beats(tmp_path / "beats")
    with ExitStack() as started:

        def start(name: str) -> Pod:
            endpoints, lock = ",".join(etcd.endpoints), f"/beside{tmp_path}"
            sidecar = SidecarProcess(
                name, etcd_endpoints=endpoints, lock_name=lock, folder=tmp_path, ttl_seconds=TTL_SECONDS
            )
            started.enter_context(sidecar)
            sidecar.wait_until_healthy()
            command = beats.command("stubborn", "family")
            running = client(tmp_path, f"127.0.0.1:{sidecar.port}", command, name=f"exec-{name}")
            return Pod(sidecar, started.enter_context(running))

        leader = start("a")
        beats.wait_for_beats(pids=2)
        other = start("b")
        other.sidecar.wait_until_waiting()
        yield Pods(leader, other, beats)
    beats.wait_until_gone()
    beats.check()


def test_a_frozen_sidecars_command_is_dead_before_the_next_one_starts(pods: Pods) -> None:
    pods.leader.sidecar.freeze()
    pods.beats.wait_for_starts(2)
    pods.leader.sidecar.thaw()
    pods.leader.sidecar.wait_until_waiting()


def test_a_killed_sidecars_command_is_dead_before_the_next_one_starts(pods: Pods) -> None:
    pods.leader.sidecar.kill()
    pods.beats.wait_for_starts(2)
    pods.leader.sidecar.start()
    pods.leader.sidecar.wait_until_waiting()
    assert pods.leader.exec.alive


def test_a_sidecar_that_stops_in_order_waits_until_the_command_is_dead(pods: Pods) -> None:
    assert pods.leader.sidecar.terminate() == 0
    pods.beats.wait_for_starts(2)


def test_a_drain_waits_until_the_command_is_dead(pods: Pods) -> None:
    assert pods.leader.sidecar.resign(drain=True)[0] == 204
    pods.beats.wait_for_starts(2)


def test_a_frozen_exec_loses_its_command_and_gets_it_back_with_the_lead(pods: Pods) -> None:
    pods.leader.exec.freeze()
    pods.beats.wait_until_gone()
    pods.leader.exec.thaw()
    first, second = pods.beats.wait_for_starts(2)
    assert first.token == second.token, "the sidecar led all the time"


def test_a_killed_exec_takes_the_command_along(pods: Pods) -> None:
    pods.leader.exec.kill()
    pods.beats.wait_until_gone()


def test_a_killed_guard_moves_the_lead_on(pods: Pods) -> None:
    os.kill(guard_of(pods.leader.exec), signal.SIGKILL)
    assert pods.leader.exec.wait() == 70
    pods.beats.wait_for_starts(2)
