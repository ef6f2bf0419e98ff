"""A workload that holds the lead dies: how long until the next sidecar's ``/leader`` answers 200."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.handover import SETTLE_SECONDS
from tests.bench.numbers import Spread, spread
from tests.bench.watcher import LeadershipWatcher
from tests.support.children import Child, Deadline
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess

HOLDER = Path(__file__).parents[1] / "support" / "holder.py"
PATIENCE_SECONDS = 30

HOW = """\
The workload, a process of its own, has GET /leader/hold open and gets SIGKILL; from just before that to the successor's
event on /leader/watch, and to its 200 of GET /leader, asked at that event. Two sidecars, each a process."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Milliseconds."""

    to_event: Spread
    to_200: Spread


def measure(etcd: Cluster, folder: Path, rounds: int) -> Hold:
    pair = [
        SidecarProcess(name, etcd_endpoints=etcd.only.url, lock_name="/bench/hold", folder=folder, ttl_seconds=10)
        for name in ("hold-a", "hold-b")
    ]
    leader, follower = pair
    events, answers = list[float](), list[float]()
    with ExitStack() as started:
        started.enter_context(leader).wait_until_leading()
        started.enter_context(follower)
        for number in range(rounds):
            follower.wait_for("second", lambda body: body["state"] == "waiting" and body["position"] == 2)
            time.sleep(SETTLE_SECONDS)
            told, answered = _one(leader, follower, folder / f"holder-{number}.txt")
            events.append(told * 1000)
            answers.append(answered * 1000)
            leader, follower = follower, leader
    return Hold(spread(events), spread(answers))


def _one(leader: SidecarProcess, follower: SidecarProcess, log: Path) -> tuple[float, float]:
    """Seconds from the workload's death to the event and to the 200."""
    watcher = LeadershipWatcher(follower)
    try:
        with Child("holder", [sys.executable, "-I", "-S", HOLDER, str(leader.port)], log) as workload:
            watcher.wait_until_following()
            _wait_until_held(workload)
            killed = time.monotonic()
            workload.kill()
            told, answered = watcher.wait_for_200()
    finally:
        watcher.close()
    return told - killed, answered - killed


def _wait_until_held(workload: Child) -> None:
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        if "held" in workload.output():
            return
    raise RuntimeError(f"nothing is held: {workload.output()}")
