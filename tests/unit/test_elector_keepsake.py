"""The folder and the file in it: one process at a time, whole or not there, and gone before the place is."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.election.resume import Place, read_place, write_place
from sidecar.elector import keepsake
from sidecar.elector.folder import PLACE as FILE
from sidecar.elector.folder import StateFolder
from sidecar.elector.keepsake import Keepsake
from sidecar.errors import ExitCode, SettingError
from tests.unit.test_election_resume import OWNER, PLACE, STANDING

LEFT = replace(STANDING, phase=Phase.RELEASING)
ANEW = replace(STANDING, revision=19)


# === The folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    folder = StateFolder(tmp_path)
    yield folder
    with contextlib.suppress(OSError):
        os.close(folder._lock)  # noqa: SLF001


def test_what_is_written_is_read_until_it_is_removed(folder: StateFolder) -> None:
    assert folder.read() is None
    folder.write("one")
    folder.write("two")
    assert folder.read() == "two"
    folder.remove()
    folder.remove()
    assert folder.read() is None


def test_one_process_has_it_until_it_ends(folder: StateFolder, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="another process uses it: end that one") as refused:
        StateFolder(tmp_path)
    assert refused.value.exit_code == ExitCode.CONFIG
    assert refused.value.setting == "--state-dir"
    os.close(folder._lock)  # noqa: SLF001 - as the end of its process does
    os.close(StateFolder(tmp_path)._lock)  # noqa: SLF001


def test_a_folder_that_cannot_be_used_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"--state-dir.*not a directory: mount a volume there") as refused:
        StateFolder(tmp_path / "file")
    assert refused.value.exit_code == ExitCode.NO_INPUT


def test_a_write_that_was_cut_off_leaves_the_old_one(folder: StateFolder, tmp_path: Path) -> None:
    folder.write("old")
    (tmp_path / f"{FILE}.new").write_text("ne")
    assert folder.read() == "old"
    folder.write("new")
    assert folder.read() == "new"


def test_a_file_that_is_no_text_is_told_as_such(folder: StateFolder, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="utf-8"):
        folder.read()


# === The keepsake


class Disk(StateFolder):
    """Waits before it writes, where ``free`` is cleared; fails where ``broken``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.free, self.writing = threading.Event(), threading.Event()
        self.free.set()
        self.writes, self.broken = 0, False

    def write(self, text: str) -> None:
        self.writes += 1
        self.writing.set()
        self.free.wait()
        if self.broken:
            raise OSError(28, "No space left on device")
        super().write(text)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    os.close(disk._lock)  # noqa: SLF001


@contextlib.asynccontextmanager
async def kept(disk: Disk, found: Place | None = None) -> AsyncIterator[Keepsake]:
    kept = Keepsake(disk, OWNER, found)
    task = asyncio.create_task(kept.run())
    try:
        yield kept
    finally:
        disk.free.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(kept: Keepsake) -> None:
    await kept._settled.wait()  # noqa: SLF001


def on(disk: Disk) -> Place | None:
    text = disk.read()
    return None if text is None else read_place(text)


async def test_a_place_is_written_when_it_is_known_and_once(disk: Disk) -> None:
    async with kept(disk) as memory:
        for phase in (Phase.WAITING, Phase.LEADING, Phase.LEADING):
            memory.note(replace(STANDING, phase=phase))
            await settled(memory)
        assert on(disk) == PLACE
        assert disk.writes == 1


async def test_a_place_that_is_given_up_is_gone_and_a_new_one_is_written(disk: Disk) -> None:
    async with kept(disk) as memory:
        memory.note(STANDING)
        await settled(memory)
        memory.note(LEFT)
        await settled(memory)
        assert on(disk) is None
        memory.note(ANEW)
        await settled(memory)
        assert on(disk) == replace(PLACE, create_revision=19)


async def test_what_is_forgotten_stays_so_though_its_write_was_on_the_way(disk: Disk) -> None:
    async with kept(disk) as memory:
        disk.free.clear()
        memory.note(STANDING)
        await asyncio.to_thread(disk.writing.wait)
        forgetting = asyncio.create_task(memory.forget())
        await asyncio.sleep(0)
        disk.free.set()
        await forgetting
        assert on(disk) is None


async def test_a_disk_that_is_stuck_holds_a_release_up_for_no_longer_than_a_moment(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepsake, "FORGET_SECONDS", 0.01)
    async with kept(disk) as memory:
        disk.free.clear()
        memory.note(STANDING)
        await asyncio.to_thread(disk.writing.wait)
        await memory.forget()
        assert not disk.free.is_set()


async def test_what_was_found_stays_until_there_is_a_place(disk: Disk) -> None:
    disk.write(write_place(PLACE))
    async with kept(disk, PLACE) as memory:
        memory.note(Candidate("/lock"))
        await settled(memory)
        assert on(disk) == PLACE
        memory.note(STANDING)
        await settled(memory)
        assert disk.writes == 1, "it was there already"
        memory.note(ANEW)
        await settled(memory)
        assert on(disk) == replace(PLACE, create_revision=19)


async def test_what_was_found_can_be_forgotten_before_anything_is_known(disk: Disk) -> None:
    disk.write(write_place(PLACE))
    async with kept(disk, PLACE) as memory:
        await memory.forget()
        assert on(disk) is None


async def test_a_disk_that_fails_costs_no_more_than_the_resume(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    async with kept(disk) as memory:
        disk.broken = True
        memory.note(STANDING)
        await settled(memory)
        assert "No space left on device" in caplog.text
        disk.broken = False
        memory.note(ANEW)
        await settled(memory)
        assert on(disk) == replace(PLACE, create_revision=19)
