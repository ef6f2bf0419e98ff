"""What the kernel says of a running process."""

import time
from dataclasses import dataclass
from pathlib import Path

_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB. ``anonymous`` is the part that no two processes share: heap and stacks, not program files."""

    rss: float
    anonymous: float


def read_memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {name.rstrip(":"): int(value) for name, value, *_ in (line.split() for line in lines[1:])}
    return Memory(kib["Rss"] / 1024, kib["Anonymous"] / 1024)


def read_cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, user and system, to the nanosecond.

    Linux numbers the CPU clock of a process after its pid: see clock_getcpuclockid(3).
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
