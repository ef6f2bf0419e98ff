"""Rounds of trouble for five sidecars on three members; after each of them one leads, and no promise was broken."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.soak.faults import FAULTS, World
from tests.soak.proxy import proxies
from tests.support.etcd import Cluster, Programs, running
from tests.support.group import Group, sleep_ttls
from tests.support.tools import etcd_binary, etcdctl_binary, etcdutl_binary
from tests.support.witness import boottime

TTL_SECONDS = 4
SIDECARS = 5
SHORTEST_TTLS, LONGEST_TTLS = 0.25, 2.5
"""How long the faults of a round last."""
MOST_FAULTS = 3
SETTLE_SECONDS = 60.0
KEEP_SECONDS = 10.0
"""Older answers cannot contradict new ones any more: no promise is that long."""
VERSION = "3.6"
"""The oldest etcd that keeps its own part of promise 1 through all of this."""


@dataclass(frozen=True, slots=True)
class Summary:
    rounds: int
    answers: int
    leaderships: int
    slowest_seconds: float


def soak(rounds: int, seed: int, say: Callable[[str], None]) -> Summary:
    """Raises ``AssertionError`` with the evidence when a promise was broken or no order came back.

    The logs, in the folder that is named first, stay then.
    """
    programs = Programs(etcd_binary(VERSION), etcdctl_binary(VERSION), etcdutl_binary(VERSION))
    say(f"seed {seed}, {rounds} rounds: {SIDECARS} sidecars, 3 members of etcd {VERSION}, TTL {TTL_SECONDS} s")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    say(f"logs in {folder}")
    with (
        running(Cluster(folder / "etcd", size=3, programs=programs)) as cluster,
        proxies() as lines,
    ):
        names = [f"s{number}" for number in range(SIDECARS)]
        line_of = {name: lines.make(cluster.endpoints) for name in names}
        with Group(
            cluster,
            folder,
            lock="/soak",
            names=names,
            ttl_seconds=TTL_SECONDS,
            endpoints={name: proxy.urls for name, proxy in line_of.items()},
            ask_every_seconds=0.02,
        ) as group:
            done = _go(World(cluster, group, lines, line_of, Random(seed)), rounds, say)
    shutil.rmtree(folder)
    return done


def _go(world: World, rounds: int, say: Callable[[str], None]) -> Summary:
    answers, tokens, slowest = 0, set[int](), 0.0
    for number in range(1, rounds + 1):
        began = boottime()
        what = _trouble(world)
        mended = boottime()
        say(f"round {number}: {what}")
        leader = world.group.settle(patience_seconds=SETTLE_SECONDS)
        settled = boottime() - mended
        noted = world.group.witness.answers(since=began)
        world.group.witness.check()
        answers, slowest = answers + len(noted), max(slowest, settled)
        tokens |= {answer.token for answer in noted if answer.token is not None}
        say(f"  {settled:.2f} s after the mending {leader.identity} leads")
        world.group.witness.forget(before=boottime() - KEEP_SECONDS)
    return Summary(rounds, answers, len(tokens), slowest)


def _trouble(world: World) -> str:
    """Some faults, one begun a little after the other, all mended together; what they were."""
    drawn = world.dice.sample(FAULTS, world.dice.randint(1, MOST_FAULTS))
    pauses = [world.dice.uniform(0, 0.5) for _ in drawn]
    lasting = world.dice.uniform(SHORTEST_TTLS, LONGEST_TTLS)
    said = []
    with ExitStack() as mending:
        for fault, pause in zip(drawn, pauses, strict=True):
            said.append(mending.enter_context(fault(world)))
            sleep_ttls(world.group, pause)
        sleep_ttls(world.group, lasting)
    return f"{', '.join(said)} for {lasting * TTL_SECONDS:.1f} s"
