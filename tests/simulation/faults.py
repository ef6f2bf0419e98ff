"""What goes wrong in a run. Each fault is a named function of the world, undone after a while; the seed draws them."""

import asyncio
from collections.abc import Callable
from random import Random

from tests.simulation.host import LATEST_SECONDS
from tests.simulation.keyspace import Keyspace
from tests.simulation.member import Mode
from tests.simulation.sidecar import LOCK, Sidecar
from tests.simulation.world import World

Fault = Callable[[World, Random], None]
STANDING_SECONDS = 5.0
"""A sidecar that has gone comes back after at most twice this."""


def victim(world: World, rng: Random) -> Sidecar:
    """Somebody who runs: the leader more often than not."""
    running = world.running()
    leading = [sidecar for sidecar in running if sidecar.elector.view().is_leader]
    return rng.choice(leading if leading and rng.random() < 0.6 else running)


def pause(world: World, rng: Random) -> None:
    _pause(world, rng, victim(world, rng), rng.uniform(0.1, 1.6 * world.ttl_seconds), lambda: None)


def _pause(world: World, rng: Random, sidecar: Sidecar, seconds: float, then: Callable[[], None]) -> None:
    """Stand still: at any time, or with a request on its way."""
    host = sidecar.host

    def stand_still() -> None:
        if not host.paused and not host.dead and not world.peaceful:
            host.pause()
            world.after(seconds, go_on)

    def go_on() -> None:
        if host.paused:
            host.resume()
        then()

    if rng.random() < 0.5:
        stand_still()
    else:
        host.at_next_send(stand_still)


def cut(world: World, rng: Random) -> None:
    """No packet of this host gets anywhere, or none to some of the members."""
    host = victim(world, rng).host
    network = host.network
    places = {member.place for member in world.etcd.members if rng.random() < 0.6}
    network.cut, network.cut_from = rng.random() < 0.5, places
    host.note(f"is cut off from {'etcd' if network.cut else sorted(places)}")

    def mend() -> None:
        network.cut, network.cut_from = False, set()
        host.note("is reached again")
        world.etcd.network_changed()

    world.after(rng.uniform(0.2, 2.0 * world.ttl_seconds), mend)


def pause_then_cut(world: World, rng: Random) -> None:
    """A machine that stands still, and whose network is gone soon after it goes on."""
    sidecar = victim(world, rng)
    until_cut, cut_for = rng.uniform(0.02, 0.5), rng.uniform(1, 2) * world.ttl_seconds
    _pause(
        world,
        rng,
        sidecar,
        rng.uniform(0.2, 0.95) * world.ttl_seconds,
        lambda: world.after(until_cut, lambda: _cut_off(world, sidecar, cut_for)),
    )


def late_then_cut(world: World, rng: Random) -> None:
    """Requests get lost, and answers come late, many of them when nobody waits for them any more; then none does."""
    sidecar = victim(world, rng)
    network = sidecar.host.network
    network.request_lost, network.answer_late, network.latest = 0.5, 0.7, 0.3 * world.ttl_seconds
    sidecar.host.note("gets its answers late")

    def cut() -> None:
        network.request_lost, network.answer_late, network.latest = 0.0, 0.0, LATEST_SECONDS
        _cut_off(world, sidecar, rng.uniform(1, 2) * world.ttl_seconds)

    world.after(rng.uniform(0.3, 1.5) * world.ttl_seconds, cut)


def _cut_off(world: World, sidecar: Sidecar, seconds: float) -> None:
    if world.peaceful:
        return
    network = sidecar.host.network
    network.cut = True
    sidecar.host.note("is cut off from etcd")

    def mend() -> None:
        network.cut = False
        world.etcd.network_changed()

    world.after(seconds, mend)


def lossy(world: World, rng: Random) -> None:
    """Requests and answers get lost or come very late, and who answers is slow."""
    host = victim(world, rng).host
    network = host.network
    network.request_lost, network.answer_lost = rng.uniform(0, 0.4), rng.uniform(0, 0.4)
    network.request_late, network.answer_late = rng.uniform(0, 0.3), rng.uniform(0, 0.3)
    network.slowest = rng.choice([0.003, 0.05, 0.5])
    host.note("has a bad network")

    def mend() -> None:
        network.request_lost = network.answer_lost = network.request_late = network.answer_late = 0.0
        network.slowest = 0.003
        host.note("has a good network")

    world.after(rng.uniform(3, 40), mend)


def connections_drop(world: World, rng: Random) -> None:
    host = victim(world, rng).host
    for watcher in list(world.etcd.watchers):
        if watcher.host is host:
            watcher.lose("connection reset")


def watches_stall(world: World, rng: Random) -> None:
    host = victim(world, rng).host
    host.note("hears no more of its watches")
    for watcher in world.etcd.watchers:
        if watcher.host is host:
            watcher.stalled = True


def disk_sticks(world: World, rng: Random) -> None:
    """etcd's leader goes on acknowledging keepalives, and is a leader no more."""
    place = world.etcd.leader
    if place is None or world.etcd.members[place].mode is not Mode.UP:
        return
    world.etcd.set_mode(place, Mode.STALE, acks_seconds=rng.choice([0.3, 2.0, 60.0]))
    world.after(rng.uniform(1, 3.0 * world.ttl_seconds), lambda: _up(world, place, Mode.STALE))


def etcds_leader_stands_still(world: World, rng: Random) -> None:
    """A stopped process. When it goes on it has leases revoked that others have renewed meanwhile: all it ever knew."""
    place = world.etcd.leader
    if place is None or world.etcd.members[place].mode is not Mode.UP or world.etcd.no_space:
        return  # a full etcd takes no note of who leads
    known, term, since = sorted(world.etcd.truth.leases), world.etcd.term, world.now
    world.etcd.set_mode(place, Mode.FROZEN)

    def go_on() -> None:
        _up(world, place, Mode.FROZEN)
        if world.peaceful or world.etcd.term == term or world.now - since < world.ttl_seconds:
            return
        for lease_id in known:
            if lease_id in world.etcd.truth.leases and rng.random() < 0.9:
                world.note(f"a leader that was has lease {lease_id:x} revoked")
                world.etcd.by_hand(lambda truth, lease_id=lease_id: truth.revoke(lease_id))  # type: ignore[misc]

    world.after(rng.uniform(1, 4.0 * world.ttl_seconds), go_on)


def member_fails(world: World, rng: Random) -> None:
    place = rng.randrange(len(world.etcd.members))
    mode = rng.choice([Mode.DOWN, Mode.FROZEN, Mode.ISOLATED])
    if world.etcd.members[place].mode is Mode.UP:
        world.etcd.set_mode(place, mode)
        world.after(rng.uniform(0.5, 2.0 * world.ttl_seconds), lambda: _up(world, place, mode))


def etcd_away(world: World, rng: Random) -> None:
    """All members at once: stopped processes, or ones that have to start again."""
    mode = rng.choice([Mode.DOWN, Mode.FROZEN])
    seconds = rng.uniform(0.5, 2.0 * world.ttl_seconds)
    for member in world.etcd.members:
        if member.mode is Mode.UP:
            world.etcd.set_mode(member.place, mode)
            place = member.place
            world.after(seconds + rng.uniform(0, 0.5), lambda place=place: _up(world, place, mode))  # type: ignore[misc]


def _up(world: World, place: int, mode: Mode) -> None:
    if world.etcd.members[place].mode is mode:
        world.etcd.set_mode(place, Mode.UP)


def leader_moves(world: World, rng: Random) -> None:
    places = [member.place for member in world.etcd.members if member.mode is Mode.UP]
    if len(places) * 2 > len(world.etcd.members):
        world.etcd.elect(rng.choice(places))


def compacted(world: World, _rng: Random) -> None:
    world.note("compaction")
    world.etcd.by_hand(lambda truth: truth.compact(truth.revision))


def no_space(world: World, rng: Random) -> None:
    if any(member.mode is Mode.FROZEN for member in world.etcd.members):
        return
    world.etcd.no_space = True
    world.note("no space")
    world.after(rng.uniform(1, 15), lambda: setattr(world.etcd, "no_space", False))


def wall_jumps(world: World, rng: Random) -> None:
    host = victim(world, rng).host
    gain = rng.choice([-3600.0, -1.0, 0.5, 2.0, 3600.0])
    host.note(f"wall time jumps by {gain} s")
    host.clock.set_wall(gain)


def crash(world: World, rng: Random) -> None:
    """The machine, and the pod with it."""
    world.spawn(_crash(world, victim(world, rng), rng.uniform(0, 2 * STANDING_SECONDS), same_pod=False))


def restart(world: World, rng: Random) -> None:
    """The sidecar's container alone: most often it is back within its TTL."""
    away_seconds = rng.uniform(0, rng.choice([0.3, 1.0, 1.3]) * world.ttl_seconds)
    world.spawn(_crash(world, victim(world, rng), away_seconds, same_pod=True))


async def _crash(world: World, sidecar: Sidecar, away_seconds: float, *, same_pod: bool) -> None:
    sidecar.leaving = True
    await sidecar.crash()
    await asyncio.sleep(away_seconds)
    world.launch(sidecar.identity, same_pod=same_pod)


def terminate(world: World, rng: Random) -> None:
    sidecar = victim(world, rng)
    if not sidecar.host.paused:
        world.spawn(_terminate(world, sidecar, rng.uniform(0, 2 * STANDING_SECONDS)))


async def _terminate(world: World, sidecar: Sidecar, away_seconds: float) -> None:
    sidecar.host.note("gets SIGTERM")
    await sidecar.leave()
    await asyncio.sleep(away_seconds)
    world.launch(sidecar.identity)


def resign(world: World, rng: Random) -> None:
    sidecar, drain = victim(world, rng), rng.random() < 0.7
    if not sidecar.host.paused:
        sidecar.host.note(f"is asked to resign, drain {drain}")
        world.spawn(sidecar.resign(drain=drain))


def hold_closes(world: World, rng: Random) -> None:
    sidecar = victim(world, rng)
    if not sidecar.host.paused:
        sidecar.host.note("has its hold closed")
        sidecar.close_hold()


def unhealthy(world: World, rng: Random) -> None:
    sidecar = victim(world, rng)
    if not sidecar.host.paused:
        sidecar.host.note("is unhealthy")
        world.spawn(sidecar.be_unhealthy(rng.uniform(0, 2 * STANDING_SECONDS)))


def transfer(world: World, rng: Random) -> None:
    sidecar, heir = victim(world, rng), rng.choice(world.running())
    if not sidecar.host.paused:
        sidecar.host.note(f"is asked to pass on to {heir.identity}")
        world.spawn(sidecar.transfer(heir.identity))


def key_deleted_by_hand(world: World, rng: Random) -> None:
    sidecar = victim(world, rng)
    name = f"{LOCK}/{sidecar.elector.view().id}"
    _excuse(world, sidecar)
    world.note(f"somebody deletes {name}")
    world.etcd.by_hand(lambda truth: truth.delete([name]))


def key_moved_by_hand(world: World, rng: Random) -> None:
    """Somebody puts the key again, without its lease."""
    sidecar = victim(world, rng)
    name = f"{LOCK}/{sidecar.elector.view().id}"
    if name not in world.etcd.truth.keys:
        return
    _excuse(world, sidecar)
    world.note(f"somebody overwrites {name}")
    world.etcd.by_hand(lambda truth: truth.put(name, 0, "by hand"))


def lease_revoked_by_hand(world: World, rng: Random) -> None:
    sidecar = victim(world, rng)
    lease_id = int(sidecar.elector.view().id or "0", 16)
    if lease_id not in world.etcd.truth.leases:
        return
    _excuse(world, sidecar)
    world.note(f"somebody revokes {lease_id:x}")
    world.etcd.by_hand(lambda truth: truth.revoke(lease_id))


def _excuse(world: World, sidecar: Sidecar) -> None:
    # until its validity has run out at the latest, it cannot know
    world.monitor.excuse(world.now, sidecar.run, 1.2 * world.ttl_seconds)


def history_goes_back(world: World, rng: Random) -> None:
    snapshot: Keyspace = world.etcd.truth.snapshot()
    same = rng.random() < 0.5

    def restore() -> None:
        if world.peaceful:
            return
        world.monitor.excuse_all(world.now, 2.5 * world.ttl_seconds)
        world.etcd.restore(snapshot, same_cluster=same)

    world.note("a snapshot is taken")
    world.after(rng.uniform(1, 20), restore)


WEIGHTS: dict[Fault, float] = {
    pause: 4,
    cut: 4,
    pause_then_cut: 3,
    late_then_cut: 2,
    lossy: 4,
    connections_drop: 2,
    watches_stall: 0.5,
    disk_sticks: 4,
    etcds_leader_stands_still: 3,
    member_fails: 3,
    etcd_away: 1,
    leader_moves: 2,
    compacted: 1,
    no_space: 0.5,
    wall_jumps: 1,
    crash: 1,
    restart: 3,
    terminate: 2,
    resign: 3,
    hold_closes: 2,
    unhealthy: 2,
    transfer: 3,
    key_deleted_by_hand: 0.5,
    key_moved_by_hand: 0.5,
    lease_revoked_by_hand: 0.5,
    history_goes_back: 0.3,
}


async def trouble(world: World, seconds: float) -> None:
    """Faults, one after another and on top of one another, for this long."""
    until = world.now + seconds
    rng = world.rng
    pace = rng.choice([1.5, 4.0, 10.0])
    while world.now < until:
        await asyncio.sleep(rng.expovariate(1 / pace))
        (fault,) = rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        if world.running():
            fault(world, rng)
