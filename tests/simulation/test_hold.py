"""A lead tied to the workload, in virtual time, nothing else going wrong: holds, and standing out for its health."""

import asyncio

import pytest

from sidecar.election.verdict import Reason, State
from sidecar.elector.holds import FINISH_RATIO
from tests.simulation.sidecar import DRAIN_SECONDS, LOCK, MAX_PROMISE_SECONDS, Sidecar
from tests.simulation.test_handover import TTL_SECONDS, in_a_quiet_world, until_led
from tests.simulation.world import World

RELEASED_SECONDS = 0.5
"""From the finish to the key's end: what the workload is told by, and a round trip."""


def queue(world: World) -> list[str]:
    keys = sorted(world.etcd.truth.below(LOCK), key=lambda key: key.create_revision)
    return [key.identity for key in keys]


def token(sidecar: Sidecar) -> int:
    found = sidecar.elector.view().token
    assert found is not None
    return found


def last_reason(sidecar: Sidecar) -> Reason | None:
    """Why its last lead ended."""
    ends = (State.LEADING, State.UNCONFIRMED)
    return next(each.reason for each in sidecar.elector.history() if each.from_state in ends)


async def until_released(world: World, leader: Sidecar) -> float:
    """After how many seconds its key is gone, or stands at the tail."""
    began = world.now
    while queue(world)[:1] == [leader.identity]:  # noqa: ASYNC110 - nobody tells of etcd's keys
        await asyncio.sleep(0.0005)
    return world.now - began


@pytest.mark.parametrize("seed", range(6))
def test_a_hold_that_closes_hands_the_lead_over_in_a_few_round_trips_and_its_pod_to_the_tail(seed: int) -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        leader.close_hold()
        assert not leader.elector.view().is_leader
        _, waited = await until_led(world, other_than=leader)
        assert waited <= 5 * leader.host.network.slowest + 0.001
        await asyncio.sleep(1)
        assert queue(world)[-1] == leader.identity
        assert last_reason(leader) is Reason.HOLD_CLOSED

    in_a_quiet_world(seed, play)


def test_the_key_of_a_drain_goes_with_the_hold_and_waits_for_no_promise() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        hold = leader.elector.open_hold(token(leader))
        world.spawn(leader.resign(drain=True))
        await asyncio.sleep(2 * MAX_PROMISE_SECONDS)
        assert queue(world)[0] == leader.identity
        hold.closed()
        assert await until_released(world, leader) < RELEASED_SECONDS
        assert last_reason(leader) is Reason.RESIGNED

    in_a_quiet_world(3, play)


def test_a_hold_closed_as_soon_as_it_is_told_spares_the_promise() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        leader.ask()
        hold = leader.elector.open_hold(token(leader))
        world.spawn(leader.resign(drain=True))
        await asyncio.sleep(0.01)
        world.monitor.gave_up(leader.run)  # the workload has stopped
        hold.closed()
        assert await until_released(world, leader) < RELEASED_SECONDS

    in_a_quiet_world(4, play)


def test_a_hold_that_never_closes_is_waited_for_within_the_drains_bound() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        leader.elector.open_hold(token(leader))
        world.spawn(leader.resign(drain=True))
        waited = await until_released(world, leader)
        assert FINISH_RATIO * DRAIN_SECONDS <= waited <= FINISH_RATIO * DRAIN_SECONDS + RELEASED_SECONDS

    in_a_quiet_world(5, play)


@pytest.mark.parametrize(("says", "waits"), [(True, False), (False, True)])
def test_a_closing_counts_only_together_with_whatever_else_speaks_for_the_workload(says: bool, waits: bool) -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        leader.workload_says = says
        leader.ask()
        hold = leader.elector.open_hold(token(leader))
        world.spawn(leader.resign(drain=True))
        await asyncio.sleep(0.01)
        hold.closed()
        if not waits:
            world.monitor.gave_up(leader.run)
        assert (await until_released(world, leader) > MAX_PROMISE_SECONDS / 2) is waits

    in_a_quiet_world(6, play)


def test_a_hold_that_closes_while_the_lead_is_in_doubt_ends_it() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        hold = leader.elector.open_hold(token(leader))
        world.etcd.truth.leases[int(leader.elector.view().id, 16)].expires_at += 2 * TTL_SECONDS
        leader.host.network.cut = True
        await asyncio.sleep(TTL_SECONDS)
        assert leader.elector.view().state is State.UNCONFIRMED
        hold.closed()
        leader.host.network.cut = False
        world.etcd.network_changed()
        successor, _ = await until_led(world)
        assert successor is not leader
        assert last_reason(leader) is Reason.HOLD_CLOSED

    in_a_quiet_world(7, play)


def test_a_hold_that_outlives_its_elector_means_nothing() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        hold = leader.elector.open_hold(token(leader))
        await leader.crash()
        hold.closed()
        await asyncio.sleep(1)
        assert queue(world)[0] == leader.identity

    in_a_quiet_world(10, play)


def test_a_hold_of_an_earlier_lead_has_no_say_in_a_later_one() -> None:
    async def play(world: World) -> None:
        first, _ = await until_led(world)
        hold = first.elector.open_hold(token(first))
        await first.resign(drain=False)
        await asyncio.sleep(1)
        second, _ = await until_led(world)
        assert second is not first
        await second.resign(drain=True)
        again, _ = await until_led(world, other_than=second)
        assert again is first
        hold.closed()
        assert first.elector.view().is_leader

    in_a_quiet_world(8, play, electors=2)


def test_a_pod_that_stands_out_for_two_reasons_stands_in_when_both_are_over() -> None:
    async def play(world: World) -> None:
        leader, _ = await until_led(world)
        await leader.elector.stand_out(Reason.POD_GONE)
        await leader.elector.stand_out(Reason.UNHEALTHY)
        leader.elector.stand_in(Reason.UNHEALTHY)
        await asyncio.sleep(5)
        assert leader.elector.view().state is State.STANDING_OUT
        leader.elector.stand_in(Reason.POD_GONE)
        await asyncio.sleep(1)
        assert leader.elector.view().state is State.WAITING
        assert queue(world)[-1] == leader.identity

    in_a_quiet_world(9, play)
