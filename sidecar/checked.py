"""``--health-check``, wired: the elector, the workload, and the checker between them. Imported where it is given."""

import math
from functools import partial
from random import SystemRandom

from sidecar.clock import Clock
from sidecar.election.health import HealthRules
from sidecar.elector.elector import Elector
from sidecar.metrics import Metrics
from sidecar.settings import Settings
from sidecar.settings.health import parse_target
from sidecar.workload.health.checker import Checker
from sidecar.workload.health.probe import ask


def make_checker(settings: Settings, elector: Elector, clock: Clock, metrics: Metrics) -> Checker:
    ignore_after = settings.health_ignore_after_seconds
    return Checker(
        elector,
        partial(ask, parse_target(settings.health_check or ""), settings.health_timeout_seconds),
        HealthRules(
            settings.health_failure_threshold,
            settings.health_success_threshold,
            settings.health_cool_down_seconds,
            math.inf if ignore_after is None else ignore_after,
        ),
        period_seconds=settings.health_period_seconds,
        clock=clock,
        random=SystemRandom(),
        metrics=metrics,
    )
