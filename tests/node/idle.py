"""What sidecars cost while nothing happens: memory and CPU of their cgroups, and what they ask of the API server."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.node import group
from tests.tools.node.place import CGROUPS, usual_place

SETTLE_SECONDS = 80.0
"""After the group is whole: a sidecar looks at its label some more in the first 72 s."""
_MIB = 1 << 20


def measure(seconds: float) -> dict[str, Any]:
    """By role, over that many seconds; requests scaled to an hour. Followers as their mean."""
    leader = group.wait_until_whole()
    time.sleep(SETTLE_SECONDS)
    names = [pod["metadata"]["name"] for pod in group.pods()]
    groups = {name: cgroups(group.pid_of(name, group.SIDECAR)) for name in names}
    asked_before = requests(names)
    begun, spent_before = time.monotonic(), {name: _cpu_ns(groups[name]) for name in names}
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    asked = requests(names)
    report: dict[str, Any] = {"seconds": round(elapsed)}
    for role, members in (("leader", [leader]), ("follower", [name for name in names if name != leader])):
        spent_ms = _mean((_cpu_ns(groups[name]) - spent_before[name]) / 1e6 for name in members)
        hours = elapsed / 3600
        kinds = {kind for name in members for kind in asked[name] - asked_before[name]}
        per_hour = {
            kind: round(_mean((asked[name][kind] - asked_before[name][kind]) / hours for name in members), 1)
            for kind in sorted(kinds)
        }
        report[role] = {
            "cpu_ms_per_minute": round(spent_ms / (elapsed / 60)),
            "cgroup_rss_mib": round(_mean(_rss(groups[name]) / _MIB for name in members), 1),
            "cgroup_usage_mib": round(_mean(_usage(groups[name]) / _MIB for name in members), 1),
            "process_rss_mib": round(_mean(_process_rss(name) / _MIB for name in members), 1),
            "api_requests_per_hour": round(sum(per_hour.values()), 1),
            "of_these": per_hour,
        }
    return report


def cgroups(pid: int) -> dict[str, Path]:
    """A process's own, of cgroup v1, by controller."""
    found: dict[str, Path] = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            for folder in (CGROUPS / controllers, CGROUPS / controller):
                if controller and folder.is_dir():
                    found[controller] = folder / path.lstrip("/")
    return found


def requests(names: Iterable[str]) -> dict[str, Counter[str]]:
    """What each pod's token has asked since the node was started, as ``verb resource``."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    with usual_place().audit_log.open(encoding="utf-8") as log:
        for line in log:
            event = json.loads(line)
            name = _pod_of(event)
            if name in counts:
                counts[name][f"{event['verb']} {event.get('objectRef', {}).get('resource', '')}"] += 1
    return counts


def _pod_of(event: Mapping[str, Any]) -> str:
    names: list[str] = event["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", [""])
    return names[0]


def _cpu_ns(of: Mapping[str, Path]) -> int:
    return int((of["cpuacct"] / "cpuacct.usage").read_text())


def _usage(of: Mapping[str, Path]) -> int:
    return int((of["memory"] / "memory.usage_in_bytes").read_text())


def _rss(of: Mapping[str, Path]) -> int:
    """Anonymous memory: what the kernel would have to swap."""
    fields = dict(line.split() for line in (of["memory"] / "memory.stat").read_text().splitlines())
    return int(fields["rss"])


def _process_rss(pod: str) -> int:
    pages = Path(f"/proc/{group.pid_of(pod, group.SIDECAR)}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
