"""What promises 4 and 5 say, measured in virtual time with nothing else going wrong."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey, QueueView
from sidecar.etcd.port import ClaimAnswer, Note
from tests.simulation.loop import run_in_virtual_time
from tests.simulation.sidecar import Sidecar
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World

TTL_SECONDS = 10
SCAN_SECONDS = 0.5
ROUND_TRIPS_SECONDS = 0.1

calls: Counter[tuple[str, str]] = Counter()


class CountingStore(SimulatedStore):
    """Counts its calls by host and kind."""

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        self._count("renew")
        return await super().renew(lease_id, timeout_seconds)

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        self._count("claim")
        return await super().claim(lock, lease_id, identity, with_queue=with_queue, member=member)

    async def look(self, lock: str, mine: str, revision: int | None, *, past: bool = False) -> QueueView:
        self._count("look")
        return await super().look(lock, mine, revision, past=past)

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        self._count("confirm")
        return await super().confirm(mine)

    async def release(self, name: str, create_revision: int, mark: Note | None = None) -> bool:
        self._count("release")
        return await super().release(name, create_revision, mark)

    def _count(self, kind: str) -> None:
        calls[self.host.name, kind] += 1


async def until_led(world: World, other_than: Sidecar | None = None) -> tuple[Sidecar, float]:
    """Who leads next, and after how many seconds."""
    began = world.now
    while True:
        for sidecar in world.running():
            if sidecar is not other_than and sidecar.elector.view().is_leader:
                return sidecar, world.now - began
        await asyncio.sleep(0.0005)


def in_a_quiet_world(seed: int, play: Callable[[World], Awaitable[None]], **settings: int) -> None:
    calls.clear()
    world = World(seed, ttl_seconds=TTL_SECONDS, new_store=CountingStore, **settings)

    async def whole() -> None:
        await world.start()
        try:
            await asyncio.sleep(Random(seed).uniform(5, 25))
            await play(world)
        finally:
            await world.end()

    run_in_virtual_time(whole())
    assert not world.monitor.violations


@pytest.mark.parametrize("seed", range(12))
def test_a_dead_leader_is_replaced_once_its_lease_has_run_out(seed: int) -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        renewed_at = world.etcd.truth.leases[int(leader.elector.view().id, 16)].expires_at - TTL_SECONDS
        await leader.crash()
        _, waited = await until_led(world, other_than=leader)
        silent = world.now - renewed_at
        assert TTL_SECONDS <= silent <= TTL_SECONDS + SCAN_SECONDS + ROUND_TRIPS_SECONDS
        assert waited <= TTL_SECONDS + SCAN_SECONDS + ROUND_TRIPS_SECONDS

    in_a_quiet_world(seed, play)


@pytest.mark.parametrize("seed", range(6))
def test_a_lead_given_up_is_taken_over_in_a_few_round_trips(seed: int) -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        slowest = leader.host.network.slowest
        world.spawn(leader.resign(drain=False))
        successor, waited = await until_led(world, other_than=leader)
        assert waited <= 2 * slowest + slowest + 2 * slowest + 0.001, "one delete, one event, one read"
        assert successor.identity != leader.identity

    in_a_quiet_world(seed, play)


def test_whoever_resigns_stands_at_the_tail_afterwards() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        await leader.resign(drain=False)
        await asyncio.sleep(1.0)
        _, queue = await leader.elector.candidates()
        assert queue[-1].identity == leader.identity

    in_a_quiet_world(3, play)


def test_one_candidate_claims_when_a_leader_goes_and_the_others_read_the_new_name_once() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        calls.clear()
        await leader.leave()
        await asyncio.sleep(2.0)
        looks = {run: count for (run, kind), count in calls.items() if kind == "look"}
        assert sorted(looks.values()) == [1, 1, 1, 1]
        assert not [run for (run, kind) in calls if kind == "claim"]

    in_a_quiet_world(5, play)


def test_a_waiter_costs_a_keepalive_each_third_of_the_ttl_and_a_read_each_minute() -> None:
    minutes = 10

    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        calls.clear()
        await asyncio.sleep(60.0 * minutes)
        for sidecar in world.running():
            own_minutes = minutes * sidecar.host.rate
            spent = {kind: count / own_minutes for (run, kind), count in calls.items() if run == sidecar.run}
            assert spent["renew"] == pytest.approx(3 * 60 / TTL_SECONDS, rel=0.05)
            if sidecar is leader:
                assert spent["confirm"] == pytest.approx(spent["renew"], rel=0.01)
            else:
                assert spent["look"] == pytest.approx(1.0, abs=0.2)
                assert set(spent) == {"renew", "look"}

    in_a_quiet_world(9, play)
