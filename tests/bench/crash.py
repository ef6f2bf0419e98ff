"""A leader that dies without a word: how much longer than the TTL until the next one's ``/leader`` answers 200."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.numbers import Spread, spread
from tests.bench.watcher import LeadershipWatcher
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess

TTL_SECONDS = 3

HOW = """\
From the SIGKILL of the leader, at a random moment between two renewals, to the successor's 200, less the TTL.
The lease runs from the last renewal, up to TTL/3 before the kill: values down to -TTL/3 are as they should be."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Seconds."""

    ttl_seconds: int
    beyond_ttl: Spread


def measure(etcd: Cluster, folder: Path, rounds: int) -> Crash:
    dice = random.Random(1)  # the same moments in each run
    beyond = []
    with ExitStack() as started:

        def start(number: int) -> SidecarProcess:
            sidecar = SidecarProcess(
                f"crash-{number}",
                etcd_endpoints=etcd.only.url,
                lock_name="/bench/crash",
                folder=folder,
                ttl_seconds=TTL_SECONDS,
            )
            return started.enter_context(sidecar)

        leader = start(0)
        leader.wait_until_leading()
        for number in range(1, rounds + 1):
            follower = start(number)
            follower.wait_until_waiting()
            time.sleep(TTL_SECONDS / 3 * (1 + dice.random()))
            beyond.append(_kill_and_wait(leader, follower) - TTL_SECONDS)
            leader = follower
    return Crash(TTL_SECONDS, spread(beyond))


def _kill_and_wait(leader: SidecarProcess, follower: SidecarProcess) -> float:
    watcher = LeadershipWatcher(follower)
    try:
        watcher.wait_until_following()
        killed = time.monotonic()
        leader.kill()
        _, answered = watcher.wait_for_200()
    finally:
        watcher.close()
    return answered - killed
