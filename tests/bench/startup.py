"""What a start costs: CPU time from exec to the first 200 of ``/healthz``."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.numbers import Spread, spread
from tests.bench.procfs import read_cpu_seconds
from tests.support.children import Deadline
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess, Unreachable

HOW = """\
CPU time of the process (all threads, user and system) when its first 200 of /healthz has come, asked every 10 ms."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Seconds: CPU time, and elapsed time beside it."""

    cpu: Spread
    elapsed: Spread


def measure(etcd: Cluster, folder: Path, rounds: int, *, flags: tuple[str, ...] = ()) -> Startup:
    cpu, elapsed = [], []
    for number in range(rounds):
        sidecar = SidecarProcess(
            f"start-{number}",
            etcd_endpoints=etcd.only.url,
            lock_name="/bench/start",
            folder=folder,
            flags=flags,
        )
        began = time.monotonic()
        with sidecar:
            _wait_healthy(sidecar)
            cpu.append(read_cpu_seconds(sidecar.pid))
            elapsed.append(time.monotonic() - began)
    return Startup(spread(cpu), spread(elapsed))


def _wait_healthy(sidecar: SidecarProcess) -> None:
    deadline = Deadline(60, poll_seconds=0.01)
    while deadline.goes_on() and sidecar.alive:
        try:
            if sidecar.ask("/healthz")[0] == 200:
                return
        except Unreachable:
            continue
    raise RuntimeError(f"{sidecar.identity} never answered /healthz with 200: {sidecar.output()}")
