"""``python -m tests.bench``: measures what a user pays and gets. Reports as tables and JSON; asserts nothing."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import command, crash, handover, hold, idle, imports, labelled, report, startup
from tests.support.etcd import Cluster, running
from tests.support.tools import ToolMissing, etcd_programs

PARTS = ("handover", "crash", "startup", "idle", "imports", "command", "hold")


class Bench:
    """Each part gives its text and what goes into the JSON; every etcd is new."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self._chosen, self._folder = chosen, folder
        self._programs = etcd_programs(chosen.etcd)

    def handover(self) -> tuple[str, Any]:
        with self._etcd("handover") as etcd:
            measured = handover.measure(etcd, self._folder, self._chosen.rounds)
        return report.handover_text(measured), asdict(measured)

    def crash(self) -> tuple[str, Any]:
        with self._etcd("crash") as etcd:
            measured = crash.measure(etcd, self._folder, self._chosen.crashes)
        return report.crash_text(measured), asdict(measured)

    def startup(self) -> tuple[str, Any]:
        with self._etcd("startup") as etcd:
            measured = startup.measure(etcd, self._folder, self._chosen.starts)
        return report.startup_text(measured), asdict(measured)

    def idle(self) -> tuple[str, Any]:
        reason = None
        with self._etcd("alone") as alone, self._etcd("both") as both, ExitStack() as started:
            pair: list[idle.Watched] = []
            try:
                etcd = started.enter_context(self._etcd("labelled"))
                pair = started.enter_context(labelled.labelled_pair(etcd, self._folder))
            except ToolMissing as missing:
                reason = str(missing)
            measured = idle.measure(alone, both, self._folder, self._chosen.idle_seconds, pair)
        return report.idle_text(measured, reason), [asdict(each) for each in measured]

    def imports(self) -> tuple[str, Any]:
        measured = imports.measure()
        return report.imports_text(measured), asdict(measured)

    def command(self) -> tuple[str, Any]:
        with self._etcd("command") as etcd:
            measured = command.measure(etcd, self._folder, self._chosen.commands)
        return report.command_text(measured), asdict(measured)

    def hold(self) -> tuple[str, Any]:
        with self._etcd("hold") as etcd:
            measured = hold.measure(etcd, self._folder, self._chosen.holds)
        return report.hold_text(measured), asdict(measured)

    @contextmanager
    def _etcd(self, name: str) -> Iterator[Cluster]:
        with running(Cluster(self._folder / name, programs=self._programs)) as cluster:
            yield cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=200, help="clean handovers (default 200)")
    parser.add_argument("--crashes", type=int, default=8, help="leaders killed (default 8)")
    parser.add_argument("--starts", type=int, default=7, help="sidecars started (default 7)")
    parser.add_argument("--commands", type=int, default=20, help="commands of exec ended (default 20)")
    parser.add_argument("--holds", type=int, default=50, help="workloads with a hold killed (default 50)")
    parser.add_argument("--idle-seconds", type=float, default=60, help="length of the idle minute (default 60)")
    parser.add_argument("--etcd", choices=("3.5", "3.6", "3.7"), default="3.5", help="3.6 and 3.7: after `make tools`")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="default: build/bench.json")
    chosen = parser.parse_args()
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"{unknown[0]}: not one of {', '.join(PARTS)}")
    results: dict[str, Any] = {"etcd": chosen.etcd, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(chosen, Path(folder))
        for part in chosen.parts or PARTS:
            load_before = os.getloadavg()[0]
            text, results[part] = getattr(bench, part)()
            print(f"\n{text}\n(load average before this part: {load_before:.1f} on {os.cpu_count()} cores)", flush=True)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nJSON: {chosen.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
