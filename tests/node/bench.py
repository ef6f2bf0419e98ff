"""What a Service's user goes without: ``python -m tests.node bench [--rounds N]``. Measures, asserts nothing.

A new connection every 2 ms (``--every``; the user and whom it asks are load, too), kube-proxy at its defaults; by the
label, and (``route_...``) by the route, each with a group of its own. A gap is from the last answer by the old leader,
which is its workload's end to within 2 ms, to the first by the new one. At least 3 s pass between two rounds.
kube-proxy applies changes at most once a second, and a pod that begins to end is a change of the label's Service:
``delete_at_once`` has a workload that ends within that second, ``delete`` one that serves on for 2 s by a preStop hook.
``route_resign_beside`` has a Service by the label as well, which no user asks. Rollouts have half as many rounds.
``tests.node.move`` and ``tests.node.route_move`` have the parts. By default the workload asks for no deadlines, so that
a transfer waits for none; ``--asks deadline`` is the other way.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

from tests.node import acts, group, idle, manifests
from tests.node.client import Client
from tests.node.judge import handover
from tests.node.move import NotSeen, taken_apart
from tests.node.names import LABELLED, Group
from tests.node.route_move import cost, rollout, route_move
from tests.node.start import seconds_to_health
from tests.node.trace import Trace
from tests.tools.node.waiting import wait_until

APART_SECONDS = 3.0
AFTERWARDS_SECONDS = 1.5
"""For the writes that follow a move: the old leader's label goes off after the new one's is on."""

ROUTED = Group("routed", routed=True)
STATEFUL = Group("stateful", "statefulset", routed=True)

Act = Callable[[Group, str], float]
Fields = dict[str, float]


@contextmanager
def asking(of: Group, every_seconds: float) -> Iterator[Client]:
    with Client(group.service_address(of), every_seconds).asking() as client:
        wait_until(lambda: len(client.led()) > 100, 30, "answers")
        yield client


def move(of: Group, act: Act, every_seconds: float) -> Fields:
    leader = group.wait_until_whole(of)
    time.sleep(APART_SECONDS)
    with Trace(of) as trace, asking(of, every_seconds) as client:
        asked_at = act(of, leader)
        wait_until(lambda: client.last_led and client.last_led.pod != leader, 60, "another leader's answer")
        time.sleep(AFTERWARDS_SECONDS)
    gap = handover(client.answers)
    if of.routed:
        parts = asdict(route_move(gap, trace.released, trace.slices, trace.pods))
    else:
        parts = asdict(taken_apart(gap, trace.released, trace.pods, trace.service))
    return parts | asdict(cost(asked_at, gap, client.answers))


def roll(of: Group, every_seconds: float) -> Fields:
    group.wait_until_whole(of)
    time.sleep(APART_SECONDS)
    with Trace(of) as trace, asking(of, every_seconds) as client:
        begun = time.monotonic()
        acts.roll_out(of)
        group.wait_for_rollout(of)
        group.wait_until_whole(of)
        took = time.monotonic() - begun
        time.sleep(AFTERWARDS_SECONDS)
    return asdict(rollout(client.answers, trace.slices, took))


def repeated(one: Callable[[], Fields], rounds: int) -> list[Fields]:
    """A round of which a step was not seen is said, and done again. Raises ``NotSeen`` when that goes on."""
    done: list[Fields] = []
    left = 2 * rounds
    while len(done) < rounds:
        left -= 1
        try:
            done.append(one())
        except NotSeen as error:
            print("not seen:", error, file=sys.stderr, flush=True)
            if left <= 0:
                raise
    return done


def summary(rounds: Sequence[Fields], ttl_ms: float) -> dict[str, Any]:
    """Medians, the times of a death less ``ttl_ms``; and all values where one that is off would matter."""
    fields = [
        {name: value - ttl_ms * (name in ("gap_ms", "to_release_ms", "asked_ms")) for name, value in each.items()}
        for each in rounds
    ]
    report: dict[str, Any] = {name: round(statistics.median(each[name] for each in fields), 1) for name in fields[0]}
    for name in ("gap_ms", "asked_ms", "refused", "declined", "moves", "refused_ms", "unled_ms"):
        if name in fields[0]:
            report[f"all_{name}"] = sorted(round(each[name]) for each in fields)
    return report | {"load": round(os.getloadavg()[0], 1)}


@contextmanager
def label_beside(of: Group) -> Iterator[None]:
    """A Service that selects the label of the routed group, too."""
    service = manifests.label_service(f"{of.name}-label", of)
    group.kubectl("apply", "-f", "-", given=manifests.listed([service]))
    try:
        yield
    finally:
        group.kubectl("delete", "service", f"{of.name}-label", f"-n={group.NAMESPACE}")


MOVES: dict[str, tuple[Group, Act, int]] = {
    "delete_at_once": (LABELLED, acts.delete, 0),
    "route_delete_at_once": (ROUTED, acts.delete, 0),
    "resign": (LABELLED, acts.resign, 0),
    "route_resign": (ROUTED, acts.resign, 0),
    "route_resign_beside": (ROUTED, acts.resign, 0),
    "transfer": (LABELLED, acts.transfer, 0),
    "route_transfer": (ROUTED, acts.transfer, 0),
    "kill_minus_ttl": (LABELLED, acts.kill, 0),
    "route_kill_minus_ttl": (ROUTED, acts.kill, 0),
    "delete": (LABELLED, acts.delete, 2),
    "route_delete": (ROUTED, acts.delete, 2),
}
"""The group, what moves its lead, and for how many seconds its workload serves on when its pod is deleted."""
ROLLOUTS = {"rollout": LABELLED, "route_rollout": ROUTED, "route_rollout_stateful": STATEFUL}


class Bench:
    """Starts each group when it is first needed. ``asks`` is every workload's way to learn whether it leads.

    The user opens a new connection every ``every_seconds``.
    """

    def __init__(self, rounds: int, asks: str, every_seconds: float) -> None:
        self._rounds, self._asks, self._every_seconds = rounds, asks, every_seconds
        self._lingers: dict[Group, int] = {}

    def moves(self, name: str) -> dict[str, Any]:
        of, act, linger_seconds = MOVES[name]
        of = self.started(of, linger_seconds)
        ttl_ms = group.TTL_SECONDS * 1000.0 if act is acts.kill else 0.0
        with label_beside(of) if name == "route_resign_beside" else nullcontext():
            return summary(repeated(lambda: move(of, act, self._every_seconds), self._rounds), ttl_ms)

    def rollouts(self, name: str) -> dict[str, Any]:
        of = self.started(ROLLOUTS[name])
        return summary(repeated(lambda: roll(of, self._every_seconds), (self._rounds + 1) // 2), 0.0)

    def remove_all_but(self, kept: Group) -> None:
        for of in [each for each in self._lingers if each.name != kept.name]:
            group.remove(of)
            del self._lingers[of]

    def started(self, of: Group, linger_seconds: int = 0) -> Group:
        of = replace(of, asks=self._asks)
        if of not in self._lingers:
            group.start(of)
            self._lingers[of] = 0
        if self._lingers[of] != linger_seconds:
            group.linger(linger_seconds, of)
            self._lingers[of] = linger_seconds
        return of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.node bench")
    parser.add_argument("--rounds", type=int, default=10)
    every = (*MOVES, *ROLLOUTS, "start", "idle")
    parser.add_argument("--only", action="append", choices=every, help="may be repeated")
    parser.add_argument("--asks", choices=("verdict", "deadline"), default="verdict")
    parser.add_argument("--every", type=float, default=0.002, metavar="SECONDS", help="between two connections")
    parser.add_argument("--idle", type=float, default=600, metavar="SECONDS")
    asked = parser.parse_args()
    group.install()
    bench = Bench(asked.rounds, asked.asks, asked.every)
    report: dict[str, Any] = {
        "kernel": platform.release(),
        "load": os.getloadavg(),
        "ttl_s": group.TTL_SECONDS,
        "every_s": asked.every,
        "asks": asked.asks,
    }
    for name in asked.only or every:
        if name in MOVES:
            report[name] = bench.moves(name)
        elif name in ROLLOUTS:
            report[name] = bench.rollouts(name)
        else:
            bench.remove_all_but(LABELLED)
            bench.started(LABELLED)
            if name == "start":
                report[name] = {f"cpu {cpu}": round(seconds_to_health(cpu), 2) for cpu in ("100m", "1")}
            else:
                report[name] = idle.measure(asked.idle)
        print(name, report[name], file=sys.stderr, flush=True)
    report["load_at_the_end"] = os.getloadavg()
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
