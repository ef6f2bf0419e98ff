"""Whether a pod should stand in line, by the health of its workload. Pure: results and looks come in, a wish comes out.

The thresholds are kubelet's (Kubernetes, "Configure Probes"): so many results in a row change what the workload is said
to be. One that was never healthy has not started: it does not stand in line. One that was unhealthy while it stood does
so again only after a cool-down, for a lead that flaps serves nobody.

The escape: when nobody stands in the queue for long enough, an unhealthy one does. Of several that do so the one in
front leads, and the others leave at once; and it leaves to whoever stays behind it, for that one is healthy.
"""

import math
from dataclasses import dataclass, replace

YIELD_SECONDS = 10.0
"""How long others must have stood behind one that leads unhealthy, for it to leave: longer than the unhealthy stay."""


@dataclass(frozen=True, slots=True)
class HealthRules:
    """``failures`` and ``successes`` in a row; ``ignore_after_seconds`` is inf where there is no escape."""

    failures: int
    successes: int
    cool_down_seconds: float
    ignore_after_seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the workload, and whether the pod should stand in line (``stands``).

    ``streak`` counts the last results that speak against ``healthy``. ``fell``: it was unhealthy while it stood, so
    that a cool-down follows, which ends at ``ripe_at``. ``ignored``: it stands although it is not healthy.
    ``alone_since`` is since when reads have shown nobody in the queue, ``followed_since`` somebody behind one that
    leads unhealthy; None where they have not.
    """

    stands: bool = False
    healthy: bool = False
    streak: int = 0
    fell: bool = False
    ripe_at: float = -math.inf
    ignored: bool = False
    alone_since: float | None = None
    followed_since: float | None = None


def checked(health: Health, *, well: bool, now: float, rules: HealthRules) -> Health:
    """One more result of the check."""
    if well == health.healthy:
        return _decided(replace(health, streak=0), well, now)
    streak = health.streak + 1
    if streak < (rules.successes if well else rules.failures):
        return _decided(replace(health, streak=streak), well, now)
    ripe_at = now + rules.cool_down_seconds if health.fell else now
    return _decided(replace(health, healthy=well, streak=0, ripe_at=ripe_at), well, now)


def wants_look(health: Health, rules: HealthRules) -> bool:
    """Whether it matters who stands in the queue."""
    return rules.ignore_after_seconds < math.inf and (not health.stands or health.ignored)


def looked(health: Health, *, others: int, leads: bool, now: float, rules: HealthRules) -> Health:
    """A fresh look at the queue: how many stand in it besides this pod, and whether that leads."""
    if not wants_look(health, rules):
        return health
    if health.ignored:
        return _stays(health, others=others, leads=leads, now=now)
    if others:
        return replace(health, alone_since=None)
    since = now if health.alone_since is None else health.alone_since
    if now - since < rules.ignore_after_seconds:
        return replace(health, alone_since=since)
    return replace(health, stands=True, ignored=True, alone_since=None)


def _stays(health: Health, *, others: int, leads: bool, now: float) -> Health:
    if not others:
        return replace(health, followed_since=None)
    since = now if health.followed_since is None else health.followed_since
    if leads and now - since < YIELD_SECONDS:
        return replace(health, followed_since=since)
    return _fallen(health)


def _decided(health: Health, well: bool, now: float) -> Health:
    if not health.healthy:
        return _fallen(health) if health.stands and not health.ignored else health
    if health.stands or (well and now >= health.ripe_at):
        return replace(
            health, stands=True, fell=False, ignored=False, alone_since=None, followed_since=None, ripe_at=-math.inf
        )
    return health


def _fallen(health: Health) -> Health:
    return replace(health, stands=False, fell=True, ignored=False, alone_since=None, followed_since=None)
