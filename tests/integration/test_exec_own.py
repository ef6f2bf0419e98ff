"""``exec`` that stands for election itself, on a real etcd: never two commands at a time; the lock goes last."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.errors import ExitCode
from tests.support.commanded import TTL_SECONDS, Beats, OwnExec, boottime_ns, guard_of
from tests.support.etcd import Cluster, running

pytestmark = pytest.mark.slow  # they wait for leases to end

Make = Callable[..., OwnExec]


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("exec"))) as cluster:
        yield cluster


@pytest.fixture
def beats(tmp_path: Path) -> Iterator[Beats]:
    """Shared by all candidates of a test; at its end no two of their commands have lived at the same time."""
    beats = Beats(tmp_path / "beats")
    yield beats
    beats.check()


@pytest.fixture
def start(etcd: Cluster, beats: Beats, tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as started:

        def make(name: str, *modes: str, flags: tuple[str, ...] = ()) -> OwnExec:
            """A candidate, that leads or waits."""
            process = OwnExec(
                name,
                tmp_path,
                beats.command(*modes),
                *flags,
                etcd_endpoints=",".join(etcd.endpoints),
                lock_name=f"/exec{tmp_path}",
            )
            return started.enter_context(process)

        yield make


def pair(start: Make, beats: Beats, *modes: str, flags: tuple[str, ...] = ()) -> tuple[OwnExec, OwnExec]:
    """One whose command beats, and one that waits."""
    first = start("a", *modes, flags=flags)
    beats.wait_for_beats()
    second = start("b", flags=flags)
    second.wait_until("waiting")
    return first, second


@pytest.mark.parametrize("modes", [(), ("stubborn", "family")], ids="-".join)
def test_a_frozen_electors_command_is_dead_before_the_next_one_starts(
    start: Make, beats: Beats, modes: tuple[str, ...]
) -> None:
    first, second = pair(start, beats, *modes)
    first.freeze()
    beats.wait_for_starts(2)
    second.wait_until("leading")
    first.thaw()
    first.wait_until("waiting")
    assert len(beats.starts()) == 2


def test_a_killed_one_takes_its_command_along_before_the_next_one_starts(start: Make, beats: Beats) -> None:
    first, _ = pair(start, beats, "stubborn", "family")
    first.kill()
    beats.wait_for_starts(2)


def test_a_killed_guard_takes_the_command_along_and_the_lock_goes(start: Make, beats: Beats) -> None:
    first, _ = pair(start, beats, "stubborn", "family")
    os.kill(guard_of(first), signal.SIGKILL)
    beats.wait_for_starts(2)
    assert first.wait() == ExitCode.SOFTWARE


def test_told_to_stop_it_passes_the_signal_on_and_the_lock_goes_at_the_commands_end(start: Make, beats: Beats) -> None:
    first, second = pair(start, beats)
    assert first.terminate() == 3
    beats.wait_for_starts(2)
    assert beats.signals() == [signal.SIGTERM]
    second.interrupt()
    assert second.wait() == 3
    assert beats.signals() == [signal.SIGTERM, signal.SIGINT]


def test_a_stubborn_command_is_killed_within_the_drains_bound(start: Make, beats: Beats) -> None:
    first, _ = pair(start, beats, "stubborn", flags=("--drain-timeout=2",))
    assert first.terminate() == 128 + signal.SIGKILL
    beats.wait_for_starts(2)


def test_the_commands_own_end_is_the_lock_s_and_our_code(start: Make, beats: Beats) -> None:
    first, _ = pair(start, beats)
    os.kill(beats.starts()[0].pid, signal.SIGUSR2)
    assert first.wait() == 128 + signal.SIGUSR2
    beats.wait_for_starts(2)


def test_with_resign_the_lead_moves_on_and_comes_back(start: Make, beats: Beats) -> None:
    first, second = pair(start, beats, flags=("--on-exit=resign",))
    os.kill(beats.starts()[0].pid, signal.SIGKILL)
    beats.wait_for_starts(2)
    os.kill(beats.starts()[1].pid, signal.SIGKILL)
    assert len({beat.token for beat in beats.wait_for_starts(3)}) == 3
    assert (first.alive, second.alive) == (True, True)


@pytest.mark.parametrize("path", ["/resign", "/resign?drain"])
def test_a_resignation_waits_for_the_command_for_nobody_else_can_say_that_it_has_ended(
    start: Make, beats: Beats, path: str
) -> None:
    first, _ = pair(start, beats, "stubborn")
    assert first.ask("POST", path)[0] == 204
    beats.wait_for_starts(2)
    assert (first.alive, beats.signals()) == (True, [signal.SIGTERM])


def test_an_etcd_outage_ends_the_command_in_time_and_its_return_starts_it_again(
    start: Make, beats: Beats, etcd: Cluster
) -> None:
    first = start("a", "stubborn")
    beats.wait_for_beats()
    etcd.freeze()
    frozen_ns = boottime_ns()
    try:
        assert beats.wait_until_gone().at_ns < frozen_ns + TTL_SECONDS * 1_000_000_000
        assert first.ask("GET", "/leader")[0] == 503 or first.wait_until("unconfirmed")
    finally:
        etcd.thaw()
    beats.wait_for_starts(2)


def test_suspended_it_goes_on_where_it_was_under_its_next_leadership(start: Make, beats: Beats) -> None:
    first, second = pair(start, beats, flags=("--suspend",))
    for resigning in (first, second, first):
        resigning.ask("POST", "/resign")
        resigning.wait_until("waiting")
        beats.wait_for_beats(since_ns=boottime_ns())
    assert len(beats.starts()) == 2
    beats.file.unlink()  # a suspended one keeps the token it began with: the judge does not know who led then


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--election=e", "--", "true"], ExitCode.USAGE, "--etcd-endpoints"),
        (["--election=e", "--etcd-endpoints=http://h:1"], ExitCode.USAGE, "exec -- sleep 60"),
        (["--election=e", "--etcd-endpoints=http://h:1", "--", "no-such-program"], 127, "no-such-program"),
        (["--election=e", "--etcd-endpoints=http://h:1", "--native", "--", "true"], ExitCode.USAGE, "--native"),
        (["--sidecar=localhost:4040", "--ttl=3", "--", "true"], ExitCode.CONFIG, "leave out --ttl"),
        (["--on-exit=x", "--", "true"], ExitCode.USAGE, "--on-exit"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_mend(arguments: list[str], code: int, named: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LEADER_SIDECAR_", "KUBER"))}
    command = [sys.executable, "-m", "sidecar", "exec", *arguments]
    ran = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == code
    assert named in ran.stderr
    assert ran.stderr.count("\n") == 1
