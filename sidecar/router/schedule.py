"""When to look again, how long to back off, when the grace is over, and since when 401 has been the only answer."""

import math
from random import Random

from sidecar.clock import Clock
from sidecar.election.label import Failure, Look
from sidecar.election.label_timing import UNAUTHORIZED_SECONDS, backoff_seconds, careful_looks, resync_seconds
from sidecar.election.route import Call, ReadSlices, ReadTarget, Write
from sidecar.election.route_timing import grace_looks
from sidecar.errors import KubeUnauthorized
from sidecar.router.calls import Answer

_CAREFUL_LOOKS_AT_MOST = 12


class Schedule:
    def __init__(self, clock: Clock, random: Random, grace_seconds: float) -> None:
        self._clock = clock
        self._random = random
        self._grace_seconds = grace_seconds
        self._careful = careful_looks(clock.now(), random.random())
        self._resync_at = -math.inf
        self._grace_until: float | None = None
        self._failures: dict[type[Call], int] = {}
        self._unauthorized_since: float | None = None

    def leave(self) -> None:
        """The lock has gone: from now on a successor may replace the endpoint. Once for a leadership that ends."""
        if self._grace_until is None:
            now = self._clock.now()
            self._grace_until = now + self._grace_seconds
            self._careful = tuple(sorted({*self._careful, *grace_looks(now, self._grace_seconds)}))

    def forget_leaving(self) -> None:
        self._grace_until = None

    def in_grace(self) -> bool:
        return self._grace_until is not None and self._clock.now() < self._grace_until

    def look(self) -> Look:
        now = self._clock.now()
        if self._careful and self._careful[0] <= now:
            return Look.CAREFUL
        return Look.RESYNC if self._resync_at <= now else Look.NOT_YET

    def next_look_at(self) -> float:
        grace = self._grace_until if self._grace_until is not None and self.in_grace() else math.inf
        return min(self._resync_at, grace, *self._careful[:1])

    def note(self, step: Call, answer: Answer, *, leads: bool) -> float:
        """A call has ended. Returns how many seconds to back off."""
        now = self._clock.now()
        if isinstance(answer.error, KubeUnauthorized):
            self._unauthorized_since = now if self._unauthorized_since is None else self._unauthorized_since
        elif answer.failure is not Failure.LOST:
            self._unauthorized_since = None
        if answer.failure is None:
            self._failures.pop(type(step), None)
            self._looked(step, now, leads=leads)
            return 0.0
        if answer.failure is Failure.LOST and isinstance(step, Write):
            looks = sorted({*self._careful, *careful_looks(now, self._random.random())})
            self._careful = tuple(looks[:_CAREFUL_LOOKS_AT_MOST])
        failures = self._failures[type(step)] = self._failures.get(type(step), 0) + 1
        delay = backoff_seconds(answer.failure, failures, self._random.random(), leads=leads)
        if self._unauthorized_since is not None:
            # Whether the pod is gone is asked no later than it can be told.
            return min(delay, max(0.5, self._unauthorized_since + UNAUTHORIZED_SECONDS - now))
        return delay

    def forget_failures(self) -> None:
        """Back off from the beginning again."""
        self._failures.clear()

    def unauthorized(self) -> bool:
        """Whether 401 has been the only answer for so long that the pod must be gone."""
        since = self._unauthorized_since
        return since is not None and self._clock.now() - since >= UNAUTHORIZED_SECONDS

    def _looked(self, step: Call, now: float, *, leads: bool) -> None:
        if isinstance(step, ReadSlices) and not step.cached:
            self._careful = tuple(at for at in self._careful if at > now)
        if isinstance(step, ReadTarget) if leads else isinstance(step, ReadSlices):
            self._resync_at = now + resync_seconds(leads=leads, chance=self._random.random())
