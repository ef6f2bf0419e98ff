"""When a command has to go, counted back from the end of its leadership's validity. Nanoseconds of CLOCK_BOOTTIME."""

import time
from dataclasses import dataclass

NS = 1_000_000_000

KILL_AHEAD_NS = NS // 4
"""Between KILL and the end of validity, at most. A container that is throttled stands still for a tenth of a second."""
GRACE_NS = 2 * NS
"""Between TERM and KILL, at most, when the lead runs out or is lost."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """TERM at ``term_at_ns``, unless a later deadline comes; KILL at ``kill_at_ns``, whatever comes of TERM."""

    term_at_ns: int
    kill_at_ns: int

    def no_later_than(self, kill_at_ns: int) -> "Deadline":
        earlier = min(self.kill_at_ns, kill_at_ns)
        return Deadline(min(self.term_at_ns, earlier), earlier)


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def kill_ahead_ns(span_ns: int) -> int:
    """``span_ns`` is the longest time that a fresh renewal has been seen to hold."""
    return min(KILL_AHEAD_NS, span_ns // 8)


def grace_ns(span_ns: int) -> int:
    return min(GRACE_NS, span_ns // 4)


def deadline(until_ns: int, span_ns: int) -> Deadline:
    kill_at_ns = until_ns - kill_ahead_ns(span_ns)
    return Deadline(kill_at_ns - grace_ns(span_ns), kill_at_ns)


def ask_again_after_ns(left_ns: int) -> int:
    """How long to wait for a change before the deadline is asked for anew, when ``left_ns`` of the last one is left."""
    return max(NS // 20, left_ns // 4)
