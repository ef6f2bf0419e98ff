"""What a Service's user goes without: ``python -m tests.node bench [--rounds N]``. Measures, asserts nothing.

A new connection every 2 ms, kube-proxy at its defaults. A gap is from the last answer by the old leader, which is its
workload's end to within 2 ms, to the first by the new one. At least 3 s pass between two rounds. kube-proxy applies
changes at most once a second, and a pod that begins to end is a change of the Service: ``delete_at_once`` has a
workload that ends within that second, ``delete`` one that serves on for 2 s.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.node import group
from tests.node.client import Client
from tests.node.judge import longest_gap
from tests.node.start import seconds_to_health
from tests.tools.node.waiting import wait_until

EVERY_SECONDS = 0.002
APART_SECONDS = 3.0


def delete(leader: str) -> None:
    group.delete(leader)


def kill(leader: str) -> None:
    sidecar = group.send(leader, group.SIDECAR, signal.SIGSTOP)  # or kubelet would start it again within the TTL
    group.send(leader, group.WORKLOAD, signal.SIGKILL)
    time.sleep(group.TTL_SECONDS + 1)
    os.kill(sidecar, signal.SIGKILL)


def resign(leader: str) -> None:
    inside = ["exec", leader, f"-n={group.NAMESPACE}", "-c", group.SIDECAR, "--"]
    group.kubectl(*inside, "leader-sidecar", "resign", "--now")


def gap_ms(address: str, act: Callable[[str], None]) -> tuple[float, int]:
    leader = group.wait_until_whole()
    time.sleep(APART_SECONDS)
    with Client(address, EVERY_SECONDS).asking() as client:
        wait_until(lambda: len(client.led()) > 100, 30, "answers")
        act(leader)
        wait_until(lambda: client.led()[-1].pod != leader, 60, "another leader's answer")
        time.sleep(0.5)
    gap = longest_gap(client.answers)
    return gap.seconds * 1000, gap.lost


def memory() -> list[dict[str, int]]:
    """Each sidecar's, in KiB."""
    found = []
    for pod in group.pods():
        status = Path(f"/proc/{group.pid_of(pod['metadata']['name'], group.SIDECAR)}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        found.append({name: int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon")})
    return found


def cpu_seconds() -> float:
    """All sidecars' so far."""
    spent = 0.0
    for pod in group.pods():
        fields = Path(f"/proc/{group.pid_of(pod['metadata']['name'], group.SIDECAR)}/stat").read_text().split(")")[1]
        spent += sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.node bench")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", action="append", metavar="NAME", help="one of what is measured; may be repeated")
    parser.add_argument("--idle", type=float, default=600, metavar="SECONDS")
    asked = parser.parse_args()
    group.install()
    address = group.service_address()
    report: dict[str, object] = {"kernel": platform.release(), "load": os.getloadavg(), "ttl_s": group.TTL_SECONDS}
    measured = {
        "delete_at_once": (delete, 0.0, 0.0),
        "resign": (resign, 0.0, 0.0),
        "kill_minus_ttl": (kill, 0.0, group.TTL_SECONDS * 1000.0),
        "delete": (delete, 2.0, 0.0),
    }
    lingers = 0.0
    for name in asked.only or measured:
        act, linger_seconds, subtracted = measured[name]
        if linger_seconds != lingers:
            group.linger(linger_seconds)
            lingers = linger_seconds
        rounds = [gap_ms(address, act) for _ in range(asked.rounds)]
        gaps = sorted(round(gap - subtracted) for gap, _ in rounds)
        report[name] = {"p50_ms": statistics.median(gaps), "all_ms": gaps, "lost": [lost for _, lost in rounds]}
        print(name, report[name], file=sys.stderr, flush=True)
    report["start_s"] = {cpu: round(seconds_to_health(cpu), 2) for cpu in ("100m", "1")}
    print("start_s", report["start_s"], file=sys.stderr, flush=True)
    group.wait_until_whole()
    time.sleep(10)
    before = cpu_seconds()
    time.sleep(asked.idle)
    report["cpu_ms_per_sidecar_and_minute"] = (cpu_seconds() - before) * 1000 / 3 / (asked.idle / 60)
    report["memory_kib"] = memory()
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
