"""The commands of the one-file form, which needs Python alone: ``exec`` and ``wait`` beside a sidecar."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sidecar import __version__
from sidecar.errors import ExitCode, SettingError
from sidecar.workload.exec.client import run_client
from sidecar.workload.exec.waiting import wait_until
from sidecar.workload.exec.wish import OnExit, refuse

DEFAULT_ADDRESS = "localhost:4040"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    given = list(sys.argv[1:] if arguments is None else arguments)
    command: list[str] = []
    if "--" in given:
        at = given.index("--")
        given, command = given[:at], given[at + 1 :]
    try:
        sys.exit(_run(_parser().parse_args(given), command))
    except SettingError as error:
        sys.stderr.write(f"leader-sidecar: {error}\n")
        sys.exit(error.exit_code)


def _run(options: argparse.Namespace, command: Sequence[str]) -> int:
    if options.what == "wait":
        if command:
            sys.stderr.write("leader-sidecar: wait: takes no command: write wait && COMMAND\n")
            return ExitCode.USAGE
        return wait_until(options.sidecar, follower=options.follower, timeout_seconds=options.timeout)
    refused = refuse(command)
    if refused is not None:
        return refused
    return run_client(
        command,
        address=options.sidecar,
        on_exit=OnExit(options.on_exit),
        suspends=options.suspend,
        deadline_path=options.deadline_file,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="leader-sidecar", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"leader-sidecar {__version__}")
    commands = parser.add_subparsers(dest="what", metavar="exec|wait", required=True, parser_class=_Parser)
    running = commands.add_parser("exec", allow_abbrev=False, usage="leader-sidecar exec [OPTIONS] -- COMMAND...")
    waiting = commands.add_parser("wait", allow_abbrev=False)
    address = os.environ.get("LEADER_SIDECAR_LISTEN") or DEFAULT_ADDRESS
    for each in (running, waiting):
        each.add_argument("--sidecar", metavar="HOST:PORT", default=address, help=f"the pod's sidecar [{address}]")
    modes = [mode.value for mode in OnExit]
    running.add_argument("--on-exit", choices=modes, default=OnExit.EXIT.value, help="[exit]")
    running.add_argument("--suspend", action="store_true", help="STOP and CONT instead of an end and a new start")
    running.add_argument("--deadline-file", metavar="FILE", type=Path, help="[one in memory]")
    waiting.add_argument("--follower", action="store_true", help="wait until another pod leads")
    waiting.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="[none]")
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message} (see {self.prog} --help)\n")
        sys.exit(ExitCode.USAGE)


def _seconds(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or number < 0:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    main()
