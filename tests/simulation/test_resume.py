"""A sidecar that dies and comes back within its TTL, in virtual time: nobody notices, and no promise is broken."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from sidecar.elector.elector import Elector
from tests.simulation.loop import run_in_virtual_time
from tests.simulation.memory import SimulatedMemory
from tests.simulation.sidecar import LOCK, MAX_PROMISE_SECONDS, Sidecar
from tests.simulation.world import World

TTL_SECONDS = 10
Play = Callable[[World], Awaitable[None]]


def in_a_quiet_world(seed: int, play: Play, *, electors: int = 3) -> World:
    """The world as it was at the end; the test looks for violations itself."""
    world = World(seed, ttl_seconds=TTL_SECONDS, electors=electors)

    async def whole() -> None:
        await world.start()
        try:
            await asyncio.sleep(Random(seed).uniform(5, 25))
            await play(world)
        finally:
            await world.end()

    run_in_virtual_time(whole())
    return world


def the_leader(world: World) -> Sidecar:
    (leader,) = world.leaders()
    return leader


async def restarted(world: World, sidecar: Sidecar, away_seconds: float = 1.0) -> Sidecar:
    """Its next life on the same pod, which has just begun."""
    await sidecar.crash()
    await asyncio.sleep(away_seconds)
    world.launch(sidecar.identity, same_pod=True)
    return world.sidecars[sidecar.identity]


async def until_it_leads(sidecar: Sidecar) -> None:
    while not sidecar.ask():
        await sidecar.elector.changed(sidecar.elector.view().version)


@pytest.mark.parametrize("seed", range(8))
def test_a_leader_comes_back_with_its_token_after_a_few_round_trips(seed: int) -> None:
    async def play(world: World) -> None:
        leader = the_leader(world)
        before = leader.elector.view()
        leader = await restarted(world, leader)
        began = world.now
        await until_it_leads(leader)
        after = leader.elector.view()
        assert (after.token, after.id) == (before.token, before.id)
        assert world.now - began < 0.1, "keepalive, read, claim, read"
        await asyncio.sleep(3 * TTL_SECONDS)
        assert the_leader(world) is leader
        for other in world.running():
            assert other is leader or not any(entry.token for entry in other.elector.history())

    assert not in_a_quiet_world(seed, play).monitor.violations


def test_a_waiter_keeps_its_place() -> None:
    async def play(world: World) -> None:
        leader = the_leader(world)
        _, before = await leader.elector.candidates()
        await restarted(world, world.sidecars[before[1].identity])
        await asyncio.sleep(2 * TTL_SECONDS)
        _, after = await leader.elector.candidates()
        assert after == before
        assert the_leader(world) is leader

    assert not in_a_quiet_world(1, play).monitor.violations


def test_after_its_ttl_it_stands_at_the_tail_and_leads_no_more() -> None:
    async def play(world: World) -> None:
        leader = the_leader(world)
        again = await restarted(world, leader, away_seconds=2 * TTL_SECONDS)
        await asyncio.sleep(1.0)
        successor = the_leader(world)
        assert successor is not again
        _, queue = await successor.elector.candidates()
        assert queue[-1].identity == leader.identity

    assert not in_a_quiet_world(2, play).monitor.violations


async def _told_to_end_at_once(world: World) -> None:
    """At every instant of its first round trips, a new run in each."""
    for step in range(30):
        leader = the_leader(world)
        leader.ask()
        leader = await restarted(world, leader, away_seconds=0.0)
        await asyncio.sleep(step * 0.0005)
        await leader.leave()
        await asyncio.sleep(2 * TTL_SECONDS)
        world.launch(leader.identity)
        await asyncio.sleep(1.0)


def test_a_run_that_resumed_and_is_told_to_end_outlasts_what_the_run_before_it_promised() -> None:
    assert not in_a_quiet_world(3, _told_to_end_at_once).monitor.violations


def test_a_run_that_did_not_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elector, "inherit", lambda elector: None)
    assert any("promised" in found for found in in_a_quiet_world(3, _told_to_end_at_once).monitor.violations)


def test_what_the_run_before_may_have_promised_counts_as_promised_by_the_one_that_resumed() -> None:
    async def play(world: World) -> None:
        leader = await restarted(world, the_leader(world))
        while not leader.elector.has_session:
            await leader.elector.changed(leader.elector.view().version)
        assert not leader.elector.view().is_leader
        assert leader.elector.promised_seconds() > MAX_PROMISE_SECONDS - 0.1

    assert not in_a_quiet_world(8, play).monitor.violations


def test_a_resumed_lease_that_is_lost_is_followed_by_a_fresh_one() -> None:
    async def play(world: World) -> None:
        leader = await restarted(world, the_leader(world))
        await until_it_leads(leader)
        lost = leader.elector.view().id
        world.monitor.excuse(world.now, leader.run, TTL_SECONDS)
        world.etcd.by_hand(lambda truth: truth.revoke(int(lost, 16)))
        await asyncio.sleep(2 * TTL_SECONDS)
        assert leader.elector.view().id not in ("", lost)
        assert the_leader(world) is not leader

    assert not in_a_quiet_world(9, play).monitor.violations


def test_a_workload_that_gave_the_lead_up_itself_is_waited_for_no_longer() -> None:
    async def play(world: World) -> None:
        leader = await restarted(world, the_leader(world))
        await until_it_leads(leader)
        began = world.now
        await leader.resign(drain=False)
        assert world.now - began < 0.1 < MAX_PROMISE_SECONDS

    assert not in_a_quiet_world(4, play).monitor.violations


def test_nothing_is_released_before_the_place_is_forgotten() -> None:
    async def play(world: World) -> None:
        leader = the_leader(world)
        _, before = await leader.elector.candidates()
        forgotten = asyncio.Event()
        leader.memory.forget = forgotten.wait  # type: ignore[assignment,method-assign]
        world.spawn(leader.resign(drain=False))
        await asyncio.sleep(1.0)
        assert list(world.etcd.truth.below(LOCK)) == list(before)
        assert not world.leaders()
        forgotten.set()
        await asyncio.sleep(1.0)
        assert before[0] not in world.etcd.truth.below(LOCK)
        assert the_leader(world).identity == before[1].identity

    assert not in_a_quiet_world(6, play).monitor.violations


async def _dies_with_a_release_on_its_way(world: World) -> None:
    for _ in range(10):
        leader = the_leader(world)
        leader.host.network.request_late, leader.host.network.latest = 1.0, 2.0
        world.spawn(leader.resign(drain=True))
        await asyncio.sleep(1.5 * MAX_PROMISE_SECONDS)
        await restarted(world, leader, away_seconds=0.01)
        await asyncio.sleep(3 * TTL_SECONDS)


def test_a_release_that_is_late_does_not_hit_the_next_run() -> None:
    assert not in_a_quiet_world(5, _dies_with_a_release_on_its_way).monitor.violations


def test_it_would_if_the_place_were_not_forgotten_before(monkeypatch: pytest.MonkeyPatch) -> None:
    note = SimulatedMemory.note

    async def keep_on(memory: SimulatedMemory) -> None:
        pass

    def note_what_there_is(memory: SimulatedMemory, candidate: object) -> None:
        place = memory.place
        note(memory, candidate)  # type: ignore[arg-type]
        memory.place = memory.place or place

    monkeypatch.setattr(SimulatedMemory, "forget", keep_on)
    monkeypatch.setattr(SimulatedMemory, "note", note_what_there_is)
    assert any("promised" in found for found in in_a_quiet_world(5, _dies_with_a_release_on_its_way).monitor.violations)
