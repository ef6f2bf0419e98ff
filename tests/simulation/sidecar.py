"""One sidecar's life on one simulated host, and the workload that asks it."""

import asyncio
from collections.abc import Callable
from random import Random

from sidecar.election.lease import Renewal, attempt_seconds
from sidecar.election.verdict import Reason
from sidecar.elector.elector import Elector
from sidecar.elector.resume import take_up
from sidecar.elector.session import Session
from sidecar.errors import CannotTransfer, EtcdError, NotLeading, UnknownCandidate
from sidecar.metrics import Metrics
from tests.simulation.etcd import SimulatedEtcd
from tests.simulation.host import Host
from tests.simulation.memory import SimulatedMemory
from tests.simulation.monitor import Monitor
from tests.simulation.store import SimulatedStore

LOCK = "/leader-sidecar/default/simulated"
MAX_PROMISE_SECONDS = 2.0
DRAIN_SECONDS = 10.0
ASKED_EVERY_SECONDS = (0.02, 0.4)

NewStore = Callable[[SimulatedEtcd, Host, float], SimulatedStore]


class Sidecar:
    """``run`` is this life's name; ``identity`` the pod's, which its next life shares.

    ``workload_says`` is whether it has finished, when it is told that the lead is given up.
    """

    def __init__(
        self,
        run: str,
        identity: str,
        host: Host,
        etcd: SimulatedEtcd,
        monitor: Monitor,
        *,
        ttl_seconds: int,
        new_store: NewStore,
        rng: Random,
        memory: SimulatedMemory,
    ) -> None:
        self.run, self.identity, self.host = run, identity, host
        self.store = new_store(etcd, host, attempt_seconds(ttl_seconds))
        self._monitor, self._rng, self.memory = monitor, rng, memory
        metrics = Metrics()
        self.session = Session(self.store, ttl_seconds=ttl_seconds, clock=host.clock, random=rng, metrics=metrics)
        self.elector = Elector(
            election="simulated",
            lock=LOCK,
            identity=identity,
            store=self.store,
            session=self.session,
            clock=host.clock,
            random=rng,
            metrics=metrics,
            max_promise_seconds=MAX_PROMISE_SECONDS,
            drain_seconds=DRAIN_SECONDS,
            tell=self._tell,
            memory=memory,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._asks: asyncio.TimerHandle | None = None
        self.leaving = False
        self.workload_says: bool | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        work = (self._join(), self.elector.run(), self._ask_at_each_change())
        self._tasks = [loop.create_task(run) for run in work]
        self._ask_later()

    async def _join(self) -> None:
        place, renewal = self.memory.place, None
        if place is not None:
            answer = await take_up(place, self.store, self.host.clock, self._rng)
            if isinstance(answer, Renewal):
                self.host.note(f"resumes lease {place.lease_id:x}")
                self.elector.inherit()
                renewal = answer
            else:
                self.host.note(f"does not resume: {answer}")
                await self.memory.forget()
        await self.session.run(renewal)

    def failure(self) -> BaseException | None:
        """What ended one of its tasks that should run on."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError("ended by itself")
        return None

    def ask(self) -> bool:
        """One plain ``GET /leader`` at this instant; whether it answers 200."""
        now = asyncio.get_running_loop().time()
        view = self.elector.view()
        deadline = self.elector.promise(view)
        seconds = 0.0 if deadline is None else (deadline - self.host.clock.now()) / self.host.rate
        self._monitor.answer(now, self.run, view.token if view.is_leader else None, seconds)
        return view.is_leader

    async def resign(self, *, drain: bool) -> None:
        if not drain:
            self._monitor.gave_up(self.run)
        try:
            await self.elector.resign(drain=drain)
        except NotLeading:
            self.host.note("does not lead: nothing to resign")

    def close_hold(self) -> None:
        """Its workload, which held the lead, ends."""
        token = self.elector.view().token
        if token is not None:
            self._monitor.gave_up(self.run)
            self.elector.open_hold(token).closed()

    async def be_unhealthy(self, seconds: float) -> None:
        """Its workload is unhealthy for so long."""
        await self.elector.stand_out(Reason.UNHEALTHY)
        await self.host.clock.sleep(seconds)
        if not self.host.dead:
            self.elector.stand_in(Reason.UNHEALTHY)

    async def transfer(self, to: str) -> None:
        try:
            await self.elector.transfer(to)
        except (NotLeading, UnknownCandidate, CannotTransfer, EtcdError) as error:
            self.host.note(f"does not pass on: {error}")
        else:
            self.host.note(f"has passed on to {to}")

    async def leave(self) -> None:
        """SIGTERM: out of the election in order, the lease revoked, the process gone."""
        self.leaving = True
        await self.elector.stop()
        await self._end_tasks()
        await self.memory.forget()
        try:
            await self.session.end()
        except EtcdError as error:
            self.host.note(f"cannot revoke: {error}")
        await self.store.close()
        self.host.kill()

    async def crash(self) -> None:
        """SIGKILL, or the machine's power goes."""
        self.host.kill()
        await self._end_tasks()
        await self.store.close()

    async def _end_tasks(self) -> None:
        if self._asks is not None:
            self._asks.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self) -> bool | None:
        await self.host.clock.sleep(self._rng.uniform(0, 0.2))
        return self.workload_says

    async def _ask_at_each_change(self) -> None:
        while True:
            await self.elector.changed(self.elector.view().version)
            self.ask()

    def _ask_later(self) -> None:
        after = self._rng.uniform(*ASKED_EVERY_SECONDS)
        self._asks = asyncio.get_running_loop().call_later(after, lambda: self.host.deliver(self._ask_and_again))

    def _ask_and_again(self) -> None:
        self.ask()
        self._ask_later()
