"""What sidecars cost while nothing happens: memory, CPU, and requests to etcd, leading and waiting."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.procfs import Memory, read_cpu_seconds, read_memory
from tests.bench.traffic import Counts, difference, read_counts
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess

TTL_SECONDS = 10
REQUESTS_FIRST = 1500
"""Memory is read after that many requests: a process that never answered anything is too good to be true."""

HOW = f"""\
TTL {TTL_SECONDS} s. Memory of the whole process, after {REQUESTS_FIRST} requests of /leader and the idle minute.
CPU of that minute, in which nothing is asked. Requests are messages that etcd says it received: one etcd has the
leader alone, another a leader and a waiter, and the waiter is the difference. Labels: a real kube-apiserver, a
service account mounted as in a pod."""


@dataclass(frozen=True, slots=True)
class Idle:
    """One sidecar's minute. ``etcd_per_minute`` by method; None where another's requests went to the same etcd."""

    role: str
    labels: bool
    memory: Memory
    cpu_ms_per_minute: float
    etcd_per_minute: Counts | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Watched:
    role: str
    sidecar: SidecarProcess
    labels: bool = False


def measure(alone: Cluster, both: Cluster, folder: Path, seconds: float, labelled: Sequence[Watched]) -> list[Idle]:
    """``labelled`` are sidecars with labels on that run already, on an etcd of their own."""
    with ExitStack() as started:

        def start(name: str, etcd: Cluster) -> SidecarProcess:
            sidecar = SidecarProcess(
                name, etcd_endpoints=etcd.only.url, lock_name="/bench/idle", folder=folder, ttl_seconds=TTL_SECONDS
            )
            return started.enter_context(sidecar)

        single, leader = start("single", alone), start("leader", both)
        single.wait_until_leading()
        leader.wait_until_leading()
        waiter = start("waiter", both)
        waiter.wait_until_it_knows("leader")
        watched = [Watched("leader", single), Watched("waiter", waiter), *labelled]
        for each in watched:
            _warm_up(each.sidecar)
        time.sleep(2)  # what the requests set going has ended
        counted = (read_counts(alone), read_counts(both))
        cpu = [read_cpu_seconds(each.sidecar.pid) for each in watched]
        time.sleep(seconds)
        cpu = [read_cpu_seconds(each.sidecar.pid) - before for each, before in zip(watched, cpu, strict=True)]
        asked_alone = difference(read_counts(alone), counted[0])
        asked_both = difference(read_counts(both), counted[1])
        per_minute = 60 / seconds
        traffic = [_scaled(asked_alone, per_minute), _scaled(difference(asked_both, asked_alone), per_minute)]
        return [
            Idle(each.role, each.labels, read_memory(each.sidecar.pid), spent * 1000 * per_minute, asked)
            for each, spent, asked in zip(watched, cpu, [*traffic, *(None for _ in labelled)], strict=True)
        ]


def _warm_up(sidecar: SidecarProcess) -> None:
    for _ in range(REQUESTS_FIRST):
        sidecar.leader()


def _scaled(counts: Counts, factor: float) -> Counts:
    return {name: count * factor for name, count in counts.items()}
