"""Values that only the leader writes, under everything that can go wrong but a history that goes back."""

import asyncio
from contextlib import suppress
from random import Random

import pytest

from sidecar.election.queue import LockKey, in_order
from sidecar.election.state import ABSENT, state_name
from sidecar.errors import EtcdError, NotLeading, ValueChanged
from tests.simulation import faults
from tests.simulation.keyspace import Keyspace
from tests.simulation.loop import run_in_virtual_time
from tests.simulation.sidecar import LOCK, NewStore, Sidecar
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World

SEEDS = [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 80))]
SEEDS_FOR_A_BREAK = range(40)
COUNTERS = [state_name(LOCK, f"counter-{number}") for number in range(12)]
"""Several, so that a successor is long in writing some of them."""
LEAST_WRITES = 50


class Judged(Keyspace):
    """Judges each change of a counter, "<count> <token of its writer>", as etcd carries it out."""

    def __init__(self, wrong: list[str]) -> None:
        super().__init__()
        self.wrong = wrong

    def put(self, name: str, lease_id: int, identity: str, *, same_revision: bool = False) -> LockKey:
        if name in COUNTERS:
            count, token = map(int, identity.split())
            queue, _ = in_order(LOCK, self.below(LOCK))
            if not queue or queue[0].create_revision != token:
                self.wrong.append(f"{name} {count} put by {token}, while the first is {queue[:1]}")
            before = count_of(self, name)
            if count != before + 1:
                self.wrong.append(f"{name} {count} put by {token} over {before}")
        return super().put(name, lease_id, identity, same_revision=same_revision)


def count_of(truth: Keyspace, name: str) -> int:
    value = truth.keys.get(name)
    return int(value.identity.split()[0]) if value else 0


class Counters:
    """Every sidecar's workload counts on while its sidecar leads. ``done`` are the writes answered as done."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._rng = world, Random(seed)
        self.done: list[int] = []

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(0.02, 0.4))
            for sidecar in self._world.running():
                if not sidecar.host.paused and sidecar.elector.view().is_leader:
                    self._world.spawn(self._count(sidecar))

    async def _count(self, sidecar: Sidecar) -> None:
        with suppress(EtcdError, NotLeading, ValueChanged):
            key = self._rng.choice(COUNTERS).rpartition("/")[2]
            value = await sidecar.elector.state.read(key)
            token = sidecar.elector.view().token
            if token is None:
                return
            count = int(value.content.split()[0]) + 1 if value else 1
            content = f"{count} {token}".encode()
            revision = value.revision if value else ABSENT
            self.done.append(await sidecar.elector.state.write(key, content, revision=revision))


def counted(seed: int, monkeypatch: pytest.MonkeyPatch, new_store: NewStore = SimulatedStore) -> tuple[list[str], int]:
    """What was wrong in one run, and how many writes its workloads know to be done."""
    monkeypatch.delitem(faults.WEIGHTS, faults.history_goes_back)  # assumption c
    world = World(seed, new_store=new_store)
    wrong: list[str] = []
    world.etcd.truth = Judged(wrong)
    counters = Counters(world, seed)

    async def live() -> None:
        await world.start()
        world.spawn(counters.run())
        try:
            await faults.trouble(world, 150.0)
            await world.peace(3 * world.ttl_seconds + 15.0)
        finally:
            await world.end()

    run_in_virtual_time(live())
    if len(set(counters.done)) != len(counters.done):
        wrong.append("two writes are one change")
    counts = sum(count_of(world.etcd.truth, name) for name in COUNTERS)
    if counts < len(counters.done):
        wrong.append(f"{len(counters.done)} writes were answered as done, and the counts are {counts}")
    return wrong, len(counters.done)


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_first_of_the_queue_writes_and_no_write_is_lost_or_done_twice(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, done = counted(seed, monkeypatch)
    assert not wrong
    assert done > LEAST_WRITES


class Unled(SimulatedStore):
    """The verdict at the time of sending is all that a write is guarded by."""

    def _guards(self, name: str, revision: int, leader: str, token: int) -> tuple[bool, bool]:
        return True, super()._guards(name, revision, leader, token)[1]


class Uncompared(SimulatedStore):
    """A write is guarded by the lead alone."""

    def _guards(self, name: str, revision: int, leader: str, token: int) -> tuple[bool, bool]:
        return super()._guards(name, revision, leader, token)[0], True


@pytest.mark.slow
@pytest.mark.parametrize("broken", [Unled, Uncompared])
def test_a_missing_guard_is_found_out(broken: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in SEEDS_FOR_A_BREAK:
        if counted(seed, monkeypatch, broken)[0]:
            return
        monkeypatch.undo()
    pytest.fail(f"{broken}: {len(SEEDS_FOR_A_BREAK)} seeds and nothing wrong")
