"""``python -m tests.simulation``: run seeds, print what failed. The exit code says whether any did."""

import argparse
import logging
import sys
import time

import click

from tests.simulation.breaks import BREAKS
from tests.simulation.run import Result, simulate
from tests.simulation.store import SimulatedStore


def main() -> int:
    args = _parser().parse_args()
    logging.disable()
    first, _, last = args.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    began, failed, answers, leaderships = time.monotonic(), [], 0, 0
    for seed in seeds:
        result = simulate(
            seed,
            electors=args.electors,
            seconds=args.seconds,
            ttl_seconds=args.ttl,
            new_store=BREAKS.get(args.break_, SimulatedStore),
        )
        answers, leaderships = answers + result.answers, leaderships + result.leaderships
        if result.violations:
            failed.append(seed)
            _show(result, args.lines)
            if args.break_:
                break
        elif args.lines and len(seeds) == 1:
            _show(result, args.lines)
    click.echo(
        f"{len(seeds)} seeds, {args.electors} electors, {args.seconds:.0f} s each: {answers} answers, "
        f"{leaderships} leaderships, {time.monotonic() - began:.1f} s; failed: {failed or 'none'}"
    )
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", default="0-200", metavar="FIRST-LAST")
    parser.add_argument("--electors", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=300.0, help="virtual seconds of trouble in each run")
    parser.add_argument("--ttl", type=int, default=None, help="drawn by the seed when not given")
    parser.add_argument("--lines", type=int, default=40, help="how much of a failing run's trace to print")
    parser.add_argument("--break", dest="break_", choices=sorted(BREAKS), help="a defect that must be found")
    return parser


def _show(result: Result, lines: int) -> None:
    click.echo(f"seed {result.seed}: {'; '.join(result.violations) or 'nothing found'}")
    click.echo(f"  trace {result.digest[:16]}, its end:")
    for line in result.last[-lines:]:
        click.echo(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
