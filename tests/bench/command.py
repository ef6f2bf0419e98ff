"""``exec``: how long before its validity ends a command is dead, and how soon the next one starts."""

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.numbers import Spread, spread
from tests.support.commanded import Beats, FakeSidecar, OwnExec, client
from tests.support.etcd import Cluster

HOW = """\
Left: the supervisor is frozen, the command ignores TERM and writes every 5 ms; from its last line to the end of the
last validity that was handed out, 2 s long. KILL is due 250 ms before that. Gap: the leader is told to resign; from the
last line of its command, which ends at TERM, to the first of the next leader's, a Python that has just started."""


@dataclass(frozen=True, slots=True)
class Command:
    """Milliseconds."""

    left: Spread
    gap: Spread


def measure(etcd: Cluster, folder: Path, rounds: int) -> Command:
    return Command(spread([_left(folder, number) for number in range(rounds)]), spread(_gaps(etcd, folder, rounds)))


def _left(folder: Path, number: int) -> float:
    beats = Beats(folder / f"left-{number}")
    with (
        FakeSidecar() as sidecar,
        client(folder, sidecar.address, beats.command("stubborn"), name=f"left-{number}.log") as supervisor,
    ):
        sidecar.lead(1)
        beats.wait_for_beats()
        supervisor.freeze()
        until_ns = sidecar.told_until_ns
        return (until_ns - beats.wait_until_gone().at_ns) / 1e6


def _gaps(etcd: Cluster, folder: Path, rounds: int) -> list[float]:
    beats = Beats(folder / "gaps")
    with ExitStack() as started:
        pair = []
        for name, state in (("gap-a", "leading"), ("gap-b", "waiting")):
            own = OwnExec(name, folder, beats.command(), etcd_endpoints=etcd.only.url, lock_name="/bench/exec")
            pair.append(started.enter_context(own))
            own.wait_until(state)
        for number, leader in zip(range(rounds), itertools.cycle(pair), strict=False):
            beats.wait_for_beats(since_ns=beats.wait_for_starts(number + 1)[number].at_ns)
            leader.ask("POST", "/resign")
            beats.wait_for_starts(number + 2)
            leader.wait_until("waiting")
    written = sorted(beats.all(), key=lambda beat: beat.at_ns)
    return [
        (after.at_ns - before.at_ns) / 1e6
        for before, after in itertools.pairwise(written)
        if after.what == "start" and before.what == "end"
    ]
