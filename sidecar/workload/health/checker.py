"""Asks the workload every so often, and makes its pod stand in line, or out of it, as its health would have it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Protocol

from sidecar.clock import Clock
from sidecar.election.health import Health, HealthRules, checked, looked, wants_look
from sidecar.election.queue import LockKey, lease_hex
from sidecar.election.verdict import Reason, View
from sidecar.errors import EtcdError
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the queue, where it matters who stands in it: jittered by a quarter."""


class Election(Protocol):
    """What the checker needs of the elector."""

    @property
    def lock(self) -> str:
        """The lock's name, below which the candidates' keys stand."""

    def view(self) -> View:
        """The verdict, computed now."""

    async def candidates(self) -> tuple[int, Sequence[LockKey]]:
        """The revision and the queue in order. Raises ``EtcdError``."""

    async def stand_out(self, reason: Reason) -> None:
        """Give the lead or the place in the queue up, in order."""

    def stand_in(self, reason: Reason) -> None:
        """That reason is over."""


class Checker:
    """``run`` until cancelled. The election begins standing out for ``Reason.UNHEALTHY``.

    ``ask`` puts one question: what is wrong with the workload, or None; it bounds itself.
    """

    def __init__(
        self,
        election: Election,
        ask: Callable[[], Awaitable[str | None]],
        rules: HealthRules,
        *,
        period_seconds: float,
        clock: Clock,
        random: Random,
        metrics: Metrics,
    ) -> None:
        self._election, self._ask, self._rules, self._period_seconds = election, ask, rules, period_seconds
        self._clock, self._random = clock, random
        self._health = Health()
        self._complaint: str | None = None
        self._tasks = asyncio.TaskGroup()
        metrics.workload_healthy.labels(election.view().election).set_function(lambda: float(self._health.healthy))

    def carry_on(self) -> None:
        """An earlier run's place is resumed: the workload was healthy then, and is until found not to be."""
        if not self._health.stands:
            self._take(Health(stands=True, healthy=True))

    async def run(self) -> None:
        async with self._tasks:
            self._tasks.create_task(self._look_again_and_again(), name="health: queue")
            while True:
                began = self._clock.now()
                wrong = await self._ask()
                health = checked(self._health, well=wrong is None, now=self._clock.now(), rules=self._rules)
                self._say(health, wrong)
                self._take(health)
                await self._clock.sleep(max(0.0, began + self._period_seconds - self._clock.now()))

    async def _look_again_and_again(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS * self._random.uniform(0.75, 1.25))
            if not wants_look(self._health, self._rules):
                continue
            try:
                others = await self._others()
            except EtcdError as error:
                log.debug("cannot look at the queue: %s", error)
                continue
            leads, now = self._election.view().is_leader, self._clock.now()
            self._take(looked(self._health, others=others, leads=leads, now=now, rules=self._rules))

    async def _others(self) -> int:
        """How many stand in the queue besides this pod. Who knows of another that leads need not ask. Raises
        ``EtcdError``."""
        view = self._election.view()
        if view.leader_id not in (None, view.id):
            return 1
        _, keys = await self._election.candidates()
        return sum(lease_hex(self._election.lock, key.name) != view.id for key in keys)

    def _take(self, health: Health) -> None:
        before, self._health = self._health, health
        if health.ignored and not before.ignored:
            log.warning("nobody stands in the queue: this pod does, though its workload is not healthy")
        if health.stands and not before.stands:
            self._election.stand_in(Reason.UNHEALTHY)
        elif before.stands and not health.stands:
            self._tasks.create_task(self._election.stand_out(Reason.UNHEALTHY), name="health: stand out")

    def _say(self, health: Health, wrong: str | None) -> None:
        """Log what changed, not each result."""
        if wrong is None and health.healthy and not self._health.healthy:
            log.info("the workload is healthy")
        elif wrong is not None and (wrong != self._complaint or health.healthy != self._health.healthy):
            log.warning("the workload is %s: %s", "healthy, but for once" if health.healthy else "not healthy", wrong)
        self._complaint = wrong
