"""Several sidecars, one etcd, and true time: what the faults act upon, and what is expected once they stop."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from sidecar.election.resume import Owner
from sidecar.election.transitions import REREAD_SECONDS
from tests.simulation.etcd import SimulatedEtcd
from tests.simulation.host import Host, Network
from tests.simulation.member import Mode
from tests.simulation.memory import SimulatedMemory
from tests.simulation.monitor import Monitor
from tests.simulation.sidecar import LOCK, NewStore, Sidecar
from tests.simulation.store import SimulatedStore
from tests.simulation.trace import Trace

DRIFT = 0.095
"""Hosts' clocks run this much fast or slow at most, against etcd's: just within the margin (assumption a)."""

SLOWEST_REREAD_SECONDS = 1.25 * REREAD_SECONDS / (1 - DRIFT)
NAMES_KNOWN_SECONDS = 2.0


class World:
    """``ttl_seconds`` is drawn by the seed when it is not given."""

    def __init__(
        self, seed: int, *, electors: int = 5, ttl_seconds: int | None = None, new_store: NewStore = SimulatedStore
    ) -> None:
        self.rng = Random(seed)
        self.trace = Trace()
        self.ttl_seconds = ttl_seconds or self.rng.choice([2, 3, 6, 10, 10, 10, 15])
        self._new_store = new_store
        self.etcd = SimulatedEtcd(self.rng, self.trace)
        self.monitor = Monitor(self.trace)
        self.sidecars: dict[str, Sidecar] = {}
        self.peaceful = False
        self._memories: dict[str, SimulatedMemory] = {}
        self._lives = 0
        self._names = [f"pod-{number}" for number in range(electors)]
        self._background: set[asyncio.Task[None]] = set()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def note(self, line: str) -> None:
        self.trace.add(self.now, line)

    def violate(self, what: str) -> None:
        self.monitor.violate(self.now, what)

    async def start(self) -> None:
        self.etcd.start()
        for name in self._names:
            self.launch(name)

    def launch(self, name: str, *, same_pod: bool = False) -> None:
        """A sidecar's life begins, on a host that has just booted.

        With ``same_pod`` it finds what the last life left, on a machine that keeps its pace. Its clock shows another
        time all the same, for no times are to be brought along.
        """
        owner = Owner(LOCK, name, "", "", self.ttl_seconds)
        memory = self._memories.setdefault(name, SimulatedMemory(owner))
        memory.next_life(same_pod=same_pod)
        self._lives += 1
        run = f"{name}.{self._lives}"
        host = Host(
            run,
            self.rng,
            self.trace,
            offset=self.rng.uniform(0, 100_000),
            rate=self.sidecars[name].host.rate if same_pod else self._draw_rate(),
        )
        sidecar = Sidecar(
            run,
            name,
            host,
            self.etcd,
            self.monitor,
            ttl_seconds=self.ttl_seconds,
            new_store=self._new_store,
            rng=Random(self.rng.getrandbits(64)),
            memory=memory,
        )
        self.sidecars[name] = sidecar
        sidecar.start()
        self.note(f"{run} starts, clock rate {host.rate:.4f}")

    def _draw_rate(self) -> float:
        return self.rng.choice([1.0, 1 - DRIFT, 1 + DRIFT, self.rng.uniform(1 - DRIFT, 1 + DRIFT)])

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen later, in true time."""
        asyncio.get_running_loop().call_later(seconds, act)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def running(self) -> list[Sidecar]:
        """Whoever is not dead, nor about to be."""
        return [sidecar for sidecar in self.sidecars.values() if not sidecar.host.dead and not sidecar.leaving]

    def leaders(self) -> list[Sidecar]:
        """Who would answer 200 now."""
        return [sidecar for sidecar in self.sidecars.values() if not sidecar.host.dead and sidecar.ask()]

    def mend(self) -> None:
        """All faults end: every machine runs, every network carries, every member is up."""
        self.etcd.no_space = False
        for sidecar in self.sidecars.values():
            sidecar.host.network = Network()
            if sidecar.host.paused:
                sidecar.host.resume()
        for member in self.etcd.members:
            if member.mode is not Mode.UP:
                self.etcd.set_mode(member.place, Mode.UP)
        self.etcd.network_changed()
        self._clear_away()

    def _clear_away(self) -> None:
        """Somebody tidies up by hand: a key with no lease whose owner is gone blocks the queue for ever."""
        owned = {f"{LOCK}/{sidecar.elector.view().id}" for sidecar in self.sidecars.values()}
        left = [key.name for key in self.etcd.truth.below(LOCK) if key.lease_id == 0 and key.name not in owned]
        self.etcd.by_hand(lambda truth: truth.delete(left))

    async def peace(self, within_seconds: float) -> None:
        """Faults end, those who are about to come back do, and there must be one leader within that time."""
        self.note("peace")
        self.peaceful = True
        self.mend()
        await asyncio.sleep(within_seconds / 3)
        self.mend()
        stalled = any(watcher.stalled for watcher in self.etcd.watchers)
        await self.expect_one_leader(within_seconds * 2 / 3 + (SLOWEST_REREAD_SECONDS if stalled else 0))
        await asyncio.sleep(SLOWEST_REREAD_SECONDS if stalled else NAMES_KNOWN_SECONDS)
        self.check_names()

    async def expect_one_leader(self, within_seconds: float) -> None:
        """Liveness: with no fault left there is one leader, and it stays."""
        until = self.now + within_seconds
        while len(self.leaders()) != 1:
            if self.now > until:
                self.violate(f"{len(self.leaders())} leaders, {within_seconds} s later")
                return
            await asyncio.sleep(0.25)
        (leader,) = self.leaders()
        for _ in range(20):
            await asyncio.sleep(0.5)
            if [sidecar.run for sidecar in self.leaders()] != [leader.run]:
                self.violate(f"{leader.run} lost the lead with no fault about")
                return

    def check_names(self) -> None:
        """Everybody knows the leader by name."""
        leader, *_ = self.leaders()
        for sidecar in self.sidecars.values():
            view = sidecar.elector.view()
            if view.leader != leader.identity:
                self.violate(f"{sidecar.run} ({view.state}) says {view.leader} leads, not {leader.identity}")

    def check_tasks(self) -> None:
        for sidecar in self.sidecars.values():
            failure = sidecar.failure()
            if failure is not None and not sidecar.leaving and not sidecar.host.dead:
                self.violate(f"{sidecar.run} ended: {failure!r}")

    async def end(self) -> None:
        for task in list(self._background):
            task.cancel()
        for sidecar in self.sidecars.values():
            await sidecar.crash()
        self.etcd.close()
