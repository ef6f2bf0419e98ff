"""Kubernetes' quantities, as far as CPU needs them, and counts that may be percentages."""

import math
import re

_CPU = re.compile(r"(\d+(?:\.\d+)?)(m|u|n)?")
_UNITS = {None: 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def cores(quantity: object) -> float | None:
    """CPU in cores; None where there is none, or none that can be read."""
    found = _CPU.fullmatch(str(quantity)) if quantity is not None else None
    return float(found[1]) * _UNITS[found[2]] if found else None


def count(given: object, total: int, *, round_up: bool) -> int | None:
    """A number, or a percentage of ``total``; None where it is neither."""
    if isinstance(given, int):
        return given
    if not isinstance(given, str) or not re.fullmatch(r"\d+%", given):
        return None
    part = int(given[:-1]) * total / 100
    return math.ceil(part) if round_up else math.floor(part)
