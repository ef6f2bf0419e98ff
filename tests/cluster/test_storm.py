"""Faults at random, several at a time: promise 3 and promise 1 hold all through, and order comes when it is over."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.cluster.group import Candidate, PodGroup
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster
from tests.support.sidecar import Unreachable

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]

SEEDS = int(os.environ.get("STORM_SEEDS", "3"))
STEPS = 25


@pytest.fixture(scope="module")
def running(plane: ControlPlane, etcd: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodGroup]:
    with PodGroup(plane, etcd, tmp_path_factory.mktemp("storm")) as group:
        yield group


class Storm:
    """One choice after the other; a seed names all of them, though not when each takes hold."""

    def __init__(self, group: PodGroup, seed: int) -> None:
        self._group, self._chance = group, random.Random(seed)
        self._frozen: set[str] = set()

    def blow(self) -> None:
        deeds: list[Callable[[Candidate], None]] = [
            self._resign,
            self._resign_at_once,
            self._kill,
            self._freeze,
            self._thaw,
            self._thaw,
            self._hold_back,
            self._cut,
            self._let_through,
            self._let_through,
            self._restart,
            self._hang_the_api,
        ]
        for _ in range(STEPS):
            self._chance.choice(deeds)(self._whom())
            time.sleep(self._chance.uniform(0, 0.4))

    def _whom(self) -> Candidate:
        """More often the one whose pod says that it leads."""
        leading = self._group.watch.leaders()
        named = [candidate for candidate in self._group.candidates if candidate.name in leading]
        return self._chance.choice(named * 2 + self._group.candidates)

    def _resign(self, candidate: Candidate) -> None:
        if candidate.name not in self._frozen:
            with suppress(Unreachable):
                candidate.sidecar.ask("/resign?drain", method="POST", timeout_seconds=1)

    def _resign_at_once(self, candidate: Candidate) -> None:
        if candidate.name in self._frozen:
            return
        with suppress(Unreachable):
            token = candidate.sidecar.leader()[1]["token"]
            if token is not None:
                self._group.witness.excuse_resign(int(token))
                candidate.sidecar.ask("/resign", method="POST", timeout_seconds=1)

    def _kill(self, candidate: Candidate) -> None:
        candidate.sidecar.kill()
        self._frozen.discard(candidate.name)

    def _restart(self, candidate: Candidate) -> None:
        if not candidate.sidecar.alive:
            candidate.sidecar.start()

    def _freeze(self, candidate: Candidate) -> None:
        if candidate.sidecar.alive and candidate.name not in self._frozen:
            candidate.sidecar.freeze()
            self._frozen.add(candidate.name)

    def _thaw(self, candidate: Candidate) -> None:
        for name in sorted(self._frozen):
            other = next(each for each in self._group.candidates if each.name == name)
            other.sidecar.thaw()
        self._frozen.clear()

    def _hold_back(self, candidate: Candidate) -> None:
        candidate.proxy.stop()

    def _cut(self, candidate: Candidate) -> None:
        candidate.proxy.cut()

    def _let_through(self, candidate: Candidate) -> None:
        candidate.proxy.resume()

    def _hang_the_api(self, _: Candidate) -> None:
        self._group.plane.apiserver.freeze()
        try:
            time.sleep(self._chance.uniform(0, 1.0))
        finally:
            self._group.plane.apiserver.thaw()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_storm_of_faults(running: PodGroup, seed: int) -> None:
    running.restore()
    Storm(running, seed).blow()
    running.restore()
    running.check()
