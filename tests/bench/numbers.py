"""Quantiles of a handful of measurements."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """In the unit of what was measured. p99 of less than a hundred values is their maximum."""

    count: int
    least: float
    p50: float
    p99: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Nearest-rank quantiles. Raises ``ValueError`` when there is nothing."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)

    def rank(quantile: float) -> float:
        return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]

    return Spread(len(ordered), ordered[0], rank(0.5), rank(0.99), ordered[-1])
