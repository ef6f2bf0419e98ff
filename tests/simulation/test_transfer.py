"""A lead that is handed over: who leads next, what becomes of those between, and what a death in the middle leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest

from sidecar.election.queue import LockKey
from sidecar.election.verdict import Reason, State
from sidecar.errors import CannotTransfer
from sidecar.etcd.port import Note
from tests.simulation.loop import run_in_virtual_time
from tests.simulation.sidecar import DRAIN_SECONDS, LOCK, MAX_PROMISE_SECONDS, NewStore, Sidecar
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World

TTL_SECONDS = 10
LONG = 130
"""More wait between than one transaction takes along."""
TELL_SECONDS = 0.3
"""What the workload's being told and the round trips take at most."""


def in_a_quiet_world(
    play: Callable[[World, list[Sidecar]], Awaitable[None]],
    *,
    electors: int = 5,
    seed: int = 1,
    new_store: NewStore = SimulatedStore,
) -> None:
    """``play`` gets the sidecars in the order of the queue, the leader first."""
    world = World(seed, ttl_seconds=TTL_SECONDS, electors=electors, new_store=new_store)

    async def whole() -> None:
        await world.start()
        try:
            await asyncio.sleep(Random(seed).uniform(10, 20))
            await play(world, in_order(world))
        finally:
            await world.end()

    run_in_virtual_time(whole())
    assert not world.monitor.violations


def in_order(world: World) -> list[Sidecar]:
    return [world.sidecars[key.identity] for key in world.etcd.truth.below(LOCK)]


def leading(world: World) -> list[str]:
    return [sidecar.identity for sidecar in world.running() if sidecar.elector.view().is_leader]


async def next_leader(world: World, before: Sidecar) -> str:
    while True:
        found = [identity for identity in leading(world) if identity != before.identity]
        if found:
            return found[0]
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("place", [1, 2, 4], ids=["second", "third", "last"])
def test_the_chosen_one_leads_next_wherever_it_stands(place: int, seed: int) -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        began = world.now
        transfer = asyncio.ensure_future(queue[0].elector.transfer(queue[place].identity))
        assert await next_leader(world, queue[0]) == queue[place].identity
        assert world.now - began <= MAX_PROMISE_SECONDS / queue[0].host.rate + TELL_SECONDS
        await transfer
        assert Reason.TRANSFERRED in [transition.reason for transition in queue[0].elector.history()]

    in_a_quiet_world(play, seed=seed)


@pytest.mark.parametrize("electors", [5, LONG])
def test_those_between_stand_behind_afterwards_and_nothing_is_counted_as_a_loss(electors: int) -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        assert len(queue) == electors
        await queue[0].elector.transfer(queue[-1].identity)
        await asyncio.sleep(5.0)
        assert leading(world) == [queue[-1].identity]
        after = in_order(world)
        assert after[0] is queue[-1]
        assert {sidecar.identity for sidecar in after} == {sidecar.identity for sidecar in queue}
        for sidecar in queue[1:-1]:
            assert {transition.reason for transition in sidecar.elector.history()} <= {None}

    in_a_quiet_world(play, electors=electors)


@pytest.mark.parametrize("to", ["the last", "nobody"])
def test_one_that_ends_for_good_hands_over_to_its_heir_or_else_to_the_next(to: str) -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        await queue[0].elector.stop(to=queue[-1].identity if to == "the last" else "nobody")
        heir = queue[-1] if to == "the last" else queue[1]
        assert await next_leader(world, queue[0]) == heir.identity
        await asyncio.sleep(2.0)
        assert queue[0] not in in_order(world)
        assert queue[0].elector.view().state is State.STOPPED

    in_a_quiet_world(play)


def test_those_behind_keep_their_places() -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        await queue[0].elector.transfer(queue[2].identity)
        await asyncio.sleep(2.0)
        assert in_order(world)[:3] == queue[2:]

    in_a_quiet_world(play)


def test_a_leader_that_dies_between_two_steps_leaves_the_lead_to_whoever_stands_next() -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        DiesAfterOneShift.crash = queue[0].crash
        DiesAfterOneShift.spawn = world.spawn
        world.spawn(queue[0].transfer(queue[-1].identity))
        assert await next_leader(world, queue[0]) == queue[1].identity
        await asyncio.sleep(5.0)
        assert leading(world) == [queue[1].identity]
        assert len(in_order(world)) == LONG - 1

    in_a_quiet_world(play, electors=LONG, new_store=DiesAfterOneShift)


class DiesAfterOneShift(SimulatedStore):
    """Its process is killed once etcd has carried a first step out."""

    crash: Callable[[], Awaitable[None]]
    spawn: Callable[..., None]

    async def shift(self, kept: Sequence[LockKey], gone: Sequence[LockKey], mark: Note | None = None) -> bool:
        done = await super().shift(kept, gone, mark)
        DiesAfterOneShift.spawn(DiesAfterOneShift.crash())
        await asyncio.get_running_loop().create_future()
        return done


def test_a_chosen_one_that_leaves_during_the_drain_makes_it_an_ordinary_handover_and_the_caller_is_told() -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        queue[0].ask()  # hands a promise out, for which the drain waits
        transfer = asyncio.ensure_future(queue[0].elector.transfer(queue[3].identity))
        await asyncio.sleep(0.2)
        await queue[3].leave()
        assert await next_leader(world, queue[0]) == queue[1].identity
        with pytest.raises(CannotTransfer, match="not to"):
            await transfer
        await asyncio.sleep(1.0)
        assert in_order(world)[-1] is queue[0]

    in_a_quiet_world(play)


def test_a_transfer_that_etcd_does_not_answer_ends_with_the_lease() -> None:
    async def play(world: World, queue: list[Sidecar]) -> None:
        transfer = asyncio.ensure_future(queue[0].elector.transfer(queue[2].identity))
        await asyncio.sleep(0.05)
        queue[0].host.network.cut = True
        assert await next_leader(world, queue[0]) == queue[1].identity
        with pytest.raises(CannotTransfer):
            await asyncio.wait_for(transfer, 3 * DRAIN_SECONDS)

    in_a_quiet_world(play)
