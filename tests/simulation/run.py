"""One seed, one run: faults for a while, then peace, and what was found."""

from dataclasses import dataclass

from tests.simulation.faults import trouble
from tests.simulation.loop import BusyLoop, Deadlock, run_in_virtual_time
from tests.simulation.sidecar import NewStore
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World

SETTLE_TTLS, SETTLE_SECONDS = 3, 15.0
"""Liveness bound: leases run out, backoffs end and a stalled watch's minute does not count in full."""


@dataclass(frozen=True)
class Result:
    """``digest`` is the hash of everything that happened: equal for equal runs."""

    seed: int
    violations: tuple[str, ...]
    digest: str
    answers: int
    leaderships: int
    last: tuple[str, ...]


def simulate(
    seed: int,
    *,
    electors: int = 5,
    seconds: float = 300.0,
    ttl_seconds: int | None = None,
    new_store: NewStore = SimulatedStore,
) -> Result:
    world = World(seed, electors=electors, ttl_seconds=ttl_seconds, new_store=new_store)
    try:
        run_in_virtual_time(_live(world, seconds))
    except (BusyLoop, Deadlock) as error:
        world.monitor.violate(0.0, f"{type(error).__name__} {error}")
    monitor, trace = world.monitor, world.trace
    return Result(
        seed, tuple(monitor.violations), trace.digest, monitor.answers, monitor.leaderships, tuple(trace.last())
    )


async def _live(world: World, seconds: float) -> None:
    await world.start()
    try:
        await trouble(world, seconds)
        await world.peace(SETTLE_TTLS * world.ttl_seconds + SETTLE_SECONDS)
        world.check_tasks()
    finally:
        await world.end()
