"""The guard, as real processes: the command is dead when the validity ends, whoever stands still or dies.

Times are compared on CLOCK_BOOTTIME, the command's own against those that a sidecar handed out.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.children import Child
from tests.support.commanded import Beats, FakeSidecar, boottime_ns, client, guard_of


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        yield fake


@pytest.fixture
def beats(tmp_path: Path) -> Iterator[Beats]:
    beats = Beats(tmp_path / "beats")
    yield beats
    for pid in {beat.pid for beat in beats.all()}:  # a test that failed may leave one
        try:
            if str(beats.file) in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


@contextmanager
def running(
    sidecar: FakeSidecar, beats: Beats, folder: Path, *modes: str, flags: tuple[str, ...] = ()
) -> Iterator[Child]:
    """An ``exec`` whose command beats."""
    with client(folder, sidecar.address, beats.command(*modes), *flags) as process:
        sidecar.lead(7)
        beats.wait_for_beats()
        yield process


@pytest.mark.parametrize("modes", [(), ("stubborn",), ("stubborn", "family")], ids="-".join)
def test_a_frozen_supervisors_command_is_dead_before_the_validity_ends(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path, modes: tuple[str, ...]
) -> None:
    with running(sidecar, beats, tmp_path, *modes) as process:
        if "family" in modes:
            beats.wait_for_beats(pids=2)
        process.freeze()
        until_ns = sidecar.told_until_ns
        assert beats.wait_until_gone().at_ns < until_ns
        assert signal.SIGTERM in beats.signals(), "it was asked first"


def test_the_elector_may_be_silent_and_the_command_is_dead_all_the_same(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path, "stubborn") as process:
        until_ns = sidecar.fall_silent()
        assert beats.wait_until_gone().at_ns < until_ns
        assert process.alive
        sidecar.speak()
        assert len(beats.wait_for_starts(2)) == 2, "the lead was there all the time"


def test_a_command_that_heeds_term_is_left_to_end_by_itself(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    with running(sidecar, beats, tmp_path):
        sidecar.follow("draining")
        assert beats.wait_until_gone().what == "end"


def test_renewals_keep_it_running_for_longer_than_any_one_deadline(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path):
        beats.wait_for_beats(since_ns=boottime_ns() + 2 * sidecar.span_ns)
        assert (len(beats.starts()), beats.signals()) == (1, [])


@pytest.mark.parametrize("modes", [("stubborn",), ("stubborn", "family")], ids="-".join)
def test_a_killed_supervisor_takes_the_command_along(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path, modes: tuple[str, ...]
) -> None:
    with running(sidecar, beats, tmp_path, *modes) as process:
        beats.wait_for_beats(pids=len(modes))
        process.kill()
        assert beats.wait_until_gone().at_ns < sidecar.told_until_ns


def test_a_killed_guard_takes_the_command_along_and_the_lead_goes_on_to_another(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path, "stubborn", "family") as process:
        beats.wait_for_beats(pids=2)
        os.kill(guard_of(process), signal.SIGKILL)
        beats.wait_until_gone()
        assert process.wait() == 70
        assert "guard" in process.output()
        assert sidecar.resigned == [7]


def test_a_killed_guard_takes_the_command_along_while_the_supervisor_stands_still(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path, "stubborn") as process:
        guard = guard_of(process)
        process.freeze()
        os.kill(guard, signal.SIGKILL)
        beats.wait_until_gone()  # nobody is left who could kill it


def test_a_frozen_guard_is_stood_in_for_by_the_supervisor(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    with running(sidecar, beats, tmp_path, "stubborn", "family") as process:
        beats.wait_for_beats(pids=2)
        guard = guard_of(process)
        os.kill(guard, signal.SIGSTOP)
        try:
            sidecar.fall_silent()
            beats.wait_until_gone()  # it has little time for that: the course's tests say when it begins
        finally:
            os.kill(guard, signal.SIGCONT)


def test_nothing_that_the_command_started_outlives_it(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    with running(sidecar, beats, tmp_path, "family", flags=("--on-exit=resign",)) as process:
        first, *_ = beats.starts()
        beats.wait_for_beats(pids=2)
        os.kill(first.pid, signal.SIGKILL)
        beats.wait_until_gone()
        assert process.alive


def test_a_suspended_command_stands_still_in_time_and_goes_on_with_the_lead(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path, "family", flags=("--suspend",)) as process:
        beats.wait_for_beats(pids=2)
        process.freeze()
        until_ns = sidecar.told_until_ns
        assert beats.wait_until_still().at_ns < until_ns
        process.thaw()
        beats.wait_for_beats(since_ns=boottime_ns(), pids=2)
        sidecar.follow()
        beats.wait_until_still()
        sidecar.lead(9)
        beats.wait_for_beats(since_ns=boottime_ns(), pids=2)
        assert (len(beats.starts()), beats.signals()) == (1, []), "it is the same all the time"


def test_the_guard_keeps_no_file_of_the_supervisor_open_for_the_command(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path):
        (start,) = beats.starts()
        opened = [os.readlink(f"/proc/{start.pid}/fd/{number}") for number in os.listdir(f"/proc/{start.pid}/fd")]
    assert [name for name in opened if name.startswith(("socket:", "anon_inode:"))] == []
