"""The leader file on the disk."""

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.workload.tell import file as file_module
from sidecar.workload.tell.file import LeaderFile


async def test_it_is_replaced_as_a_whole_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    file = LeaderFile(path)
    file.open("first\n")
    with path.open() as reader:
        await file.replace("second\n")
        assert reader.read() == "first\n", "whoever has it open goes on reading the old one"
    assert path.read_text() == "second\n"
    assert os.listdir(tmp_path) == ["leader"]


def test_another_user_may_read_it_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        LeaderFile(tmp_path / "leader").open("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "leader").stat().st_mode) == 0o644


async def test_a_link_that_was_left_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".leader.next").symlink_to(precious)
    (tmp_path / "leader").symlink_to(precious)
    await LeaderFile(tmp_path / "leader").replace("x")
    assert precious.read_text() == "mine"
    assert (tmp_path / "leader").read_text() == "x"


@pytest.mark.parametrize("place", ["missing/leader", "plain/leader", "."])
def test_a_place_that_cannot_be_written_is_refused_at_start(tmp_path: Path, place: str) -> None:
    (tmp_path / "plain").write_text("a file, no folder")
    path = tmp_path / place
    with pytest.raises(SettingError) as refused:
        LeaderFile(path).open("x")
    assert (refused.value.setting, refused.value.value) == ("--leader-file", str(path))
    assert refused.value.exit_code == ExitCode.NO_INPUT


async def test_a_disk_that_fails_later_raises_and_the_old_text_stands(tmp_path: Path) -> None:
    file = LeaderFile(tmp_path / "leader")
    file.open("old")
    (tmp_path / ".leader.next").mkdir()
    with pytest.raises(OSError, match="leader"):
        await file.replace("new")
    assert (tmp_path / "leader").read_text() == "old"


async def test_a_disk_that_stands_still_holds_nobody_up_and_no_old_text_comes_after_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, reached, really_open = threading.Event(), threading.Event(), os.open

    def stuck(*arguments: object, **more: object) -> int:
        reached.set()
        disk.wait(30)
        return really_open(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(file_module, "WRITE_SECONDS", 0.01)
    file = LeaderFile(tmp_path / "leader")
    file.open("first")
    with monkeypatch.context() as standing:
        standing.setattr(os, "open", stuck)
        for text in ("second", "third"):
            with pytest.raises(TimeoutError, match="does not answer"):
                await file.replace(text)
        assert reached.wait(30)
    assert (tmp_path / "leader").read_text() == "first"
    monkeypatch.setattr(file_module, "WRITE_SECONDS", 30)
    disk.set()
    while True:
        try:
            await file.replace("fourth")
            break
        except TimeoutError:  # the second is still on its way
            await asyncio.sleep(0)
    assert (tmp_path / "leader").read_text() == "fourth"


async def test_a_system_that_gives_no_thread_is_a_failure_like_others_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    file = LeaderFile(tmp_path / "leader")
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="can't start new thread"):
            await file.replace("first")
    await file.replace("second")
    assert (tmp_path / "leader").read_text() == "second"
