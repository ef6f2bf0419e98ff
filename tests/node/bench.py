"""What a Service's user goes without: ``python -m tests.node bench [--rounds N]``. Measures, asserts nothing.

A new connection every 2 ms, kube-proxy at its defaults. A gap is from the last answer by the old leader, which is its
workload's end to within 2 ms, to the first by the new one. At least 3 s pass between two rounds. kube-proxy applies
changes at most once a second, and a pod that begins to end is a change of the Service: ``delete_at_once`` has a
workload that ends within that second, ``delete`` one that a preStop hook lets serve on for 2 s. ``tests.node.move`` has
the parts.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from tests.node import group, idle
from tests.node.client import Client
from tests.node.judge import handover
from tests.node.move import Move, NotSeen, taken_apart
from tests.node.start import seconds_to_health
from tests.node.trace import Trace
from tests.tools.node.waiting import wait_until

EVERY_SECONDS = 0.002
APART_SECONDS = 3.0
AFTERWARDS_SECONDS = 1.5
"""For the writes that follow a move: the old leader's label goes off after the new one's is on."""


def delete(leader: str) -> None:
    group.delete(leader)


def kill(leader: str) -> None:
    sidecar = group.send(leader, group.SIDECAR, signal.SIGSTOP)  # or kubelet would start it again within the TTL
    group.send(leader, group.WORKLOAD, signal.SIGKILL)
    time.sleep(group.TTL_SECONDS + 1)
    os.kill(sidecar, signal.SIGKILL)


def resign(leader: str) -> None:
    inside = ["exec", leader, f"-n={group.NAMESPACE}", "-c", group.SIDECAR, "--"]
    group.kubectl(*inside, "leader-sidecar", "resign", "--now")


def move(address: str, act: Callable[[str], None]) -> Move:
    leader = group.wait_until_whole()
    time.sleep(APART_SECONDS)
    with Trace() as trace, Client(address, EVERY_SECONDS).asking() as client:
        wait_until(lambda: len(client.led()) > 100, 30, "answers")
        act(leader)
        wait_until(lambda: client.led()[-1].pod != leader, 60, "another leader's answer")
        time.sleep(AFTERWARDS_SECONDS)
    return taken_apart(handover(client.answers), trace.released, trace.pods, trace.service)


def moves(address: str, act: Callable[[str], None], rounds: int) -> list[Move]:
    """A round of which a step was not seen is said, and done again. Raises ``NotSeen`` when that goes on."""
    done: list[Move] = []
    left = 2 * rounds
    while len(done) < rounds:
        left -= 1
        try:
            done.append(move(address, act))
        except NotSeen as error:
            print("not seen:", error, file=sys.stderr, flush=True)
            if left <= 0:
                raise
    return done


def summary(moves: Sequence[Move], ttl_ms: float) -> dict[str, Any]:
    """Medians; of the gap, less ``ttl_ms``, also all values."""
    fields = [asdict(each) for each in moves]
    for each in fields:
        each["gap_ms"] -= ttl_ms
        each["to_release_ms"] -= ttl_ms
    medians = {name: round(statistics.median(each[name] for each in fields), 1) for name in fields[0]}
    return medians | {"gaps_ms": sorted(round(each["gap_ms"]) for each in fields)}


def main() -> int:
    measured = {
        "delete_at_once": (delete, 0, 0.0),
        "resign": (resign, 0, 0.0),
        "kill_minus_ttl": (kill, 0, group.TTL_SECONDS * 1000.0),
        "delete": (delete, 2, 0.0),
    }
    parser = argparse.ArgumentParser(prog="python -m tests.node bench")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", action="append", choices=(*measured, "start", "idle"), help="may be repeated")
    parser.add_argument("--idle", type=float, default=600, metavar="SECONDS")
    asked = parser.parse_args()
    group.install()
    address = group.service_address()
    report: dict[str, Any] = {"kernel": platform.release(), "load": os.getloadavg(), "ttl_s": group.TTL_SECONDS}
    lingers = 0
    for name in asked.only or (*measured, "start", "idle"):
        if name == "start":
            report[name] = {f"cpu {cpu}": round(seconds_to_health(cpu), 2) for cpu in ("100m", "1")}
        elif name == "idle":
            report[name] = idle.measure(asked.idle)
        else:
            act, linger_seconds, subtracted_ms = measured[name]
            if linger_seconds != lingers:
                group.linger(linger_seconds)
                lingers = linger_seconds
            report[name] = summary(moves(address, act, asked.rounds), subtracted_ms)
        print(name, report[name], file=sys.stderr, flush=True)
    report["load_at_the_end"] = os.getloadavg()
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
