"""``python -m tests.soak.commands``: rounds of drawn faults for ``exec``; no two commands ever live at the same time.

Three candidates, each with a command that writes down, on CLOCK_BOOTTIME, when it lived. The last line of one is older
than the first of the next, whatever was frozen or killed.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from tests.support.children import Deadline
from tests.support.commanded import PATIENCE_SECONDS, Beats, OwnExec, guard_of
from tests.support.etcd import Cluster, running

TTL_SECONDS = 2
MODES = {"plain": (), "stubborn": ("stubborn",), "family": ("stubborn", "family")}
"""By name of the candidate: what its command is like."""


@dataclass(frozen=True, slots=True)
class World:
    etcd: Cluster
    candidates: list[OwnExec]
    beats: Beats
    dice: Random

    def leader(self) -> OwnExec:
        """Whoever leads, once somebody does."""
        deadline = Deadline(PATIENCE_SECONDS)
        while deadline.goes_on():
            for candidate in self.candidates:
                if candidate.alive and _status(candidate) == 200:
                    return candidate
        raise AssertionError("nobody leads:\n" + "\n".join(each.output()[-2000:] for each in self.candidates))

    def wait_longer_than_a_lease(self) -> None:
        time.sleep(TTL_SECONDS * self.dice.uniform(1.0, 2.0))


def _status(candidate: OwnExec) -> int | None:
    try:
        return candidate.ask("GET", "/leader")[0]
    except OSError:
        return None


Fault = Callable[[World, OwnExec], AbstractContextManager[None]]
"""The leader's trouble, which begins, lasts for longer than a lease, and is mended."""


@contextmanager
def freeze(world: World, leader: OwnExec) -> Iterator[None]:
    leader.freeze()
    yield
    leader.thaw()


@contextmanager
def freeze_guard_and_resign(world: World, leader: OwnExec) -> Iterator[None]:
    guard = guard_of(leader)
    os.kill(guard, signal.SIGSTOP)
    leader.ask("POST", "/resign")
    yield
    os.kill(guard, signal.SIGCONT)


@contextmanager
def freeze_etcd(world: World, leader: OwnExec) -> Iterator[None]:
    world.etcd.freeze()
    yield
    world.etcd.thaw()


@contextmanager
def kill(world: World, leader: OwnExec) -> Iterator[None]:
    leader.kill()
    yield


@contextmanager
def kill_guard(world: World, leader: OwnExec) -> Iterator[None]:
    os.kill(guard_of(leader), signal.SIGKILL)
    yield


@contextmanager
def kill_command(world: World, leader: OwnExec) -> Iterator[None]:
    os.kill(world.beats.starts()[-1].pid, signal.SIGKILL)
    yield


@contextmanager
def stop(world: World, leader: OwnExec) -> Iterator[None]:
    os.kill(leader.pid, signal.SIGTERM)
    yield


@contextmanager
def resign(world: World, leader: OwnExec) -> Iterator[None]:
    leader.ask("POST", world.dice.choice(["/resign", "/resign?drain"]))
    yield


FAULTS: list[Fault] = [freeze, freeze_guard_and_resign, freeze_etcd, kill, kill_guard, kill_command, stop, resign]


def soak(rounds: int, seed: int, say: Callable[[str], None]) -> int:
    """How many commands there were. Raises ``AssertionError``; the logs, in the folder named first, stay then."""
    folder = Path(tempfile.mkdtemp(prefix="soak-commands-"))
    say(f"seed {seed}, {rounds} rounds; logs in {folder}")
    with running(Cluster(folder / "etcd")) as etcd, ExitStack() as started:
        beats = Beats(folder / "beats")
        candidates = [
            OwnExec(
                name,
                folder,
                beats.command(*modes),
                *("--on-exit=resign", "--drain-timeout=3"),
                etcd_endpoints=etcd.only.url,
                lock_name="/soak/commands",
                ttl_seconds=TTL_SECONDS,
            )
            for name, modes in MODES.items()
        ]
        for candidate in candidates:
            started.enter_context(candidate)
        world = World(etcd, candidates, beats, Random(seed))
        for number in range(1, rounds + 1):
            leader, fault = _round(world)
            say(f"round {number}: {fault} of {leader}, {len(beats.starts())} commands so far")
        count = len(beats.starts())
    shutil.rmtree(folder)
    return count


def _round(world: World) -> tuple[str, str]:
    leader, fault = world.leader(), world.dice.choice(FAULTS)
    world.beats.wait_for_beats(since_ns=world.beats.starts()[-1].at_ns if world.beats.starts() else 0)
    before = len(world.beats.starts())
    with fault(world, leader):
        world.wait_longer_than_a_lease()
    for candidate in world.candidates:
        if not candidate.alive:
            candidate.start()
    world.beats.wait_for_starts(before + 1)
    world.beats.check()
    return leader.name, fault.__name__


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.commands")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="draws the faults; by default another one each time")
    args = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if args.seed is None else args.seed
    try:
        count = soak(args.rounds, seed, click.echo)
    except AssertionError as broken:
        click.echo(f"FAILED with seed {seed}: {broken}")
        return 1
    click.echo(f"seed {seed}: {args.rounds} rounds, {count} commands, never two at a time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
