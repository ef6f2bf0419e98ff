"""``python -m tests.soak``: rounds of drawn faults on real processes. The exit code says whether all went well."""

import argparse
import sys
import time

import click

from tests.soak.rounds import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="draws the faults; by default another one each time")
    args = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if args.seed is None else args.seed
    began = time.monotonic()
    try:
        done = soak(args.rounds, seed, click.echo)
    except AssertionError as broken:
        click.echo(f"FAILED with seed {seed}: {broken}")
        return 1
    click.echo(
        f"seed {seed}: {done.rounds} rounds, {done.answers} answers, {done.leaderships} leaderships in "
        f"{time.monotonic() - began:.0f} s; slowest return to order {done.slowest_seconds:.2f} s; no promise was broken"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
