"""What is wired for the settings that are given, and the leader file's first and last words."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.election.verdict import State
from sidecar.metrics import Metrics
from sidecar.settings import Settings, Surroundings, build
from sidecar.settings.build import Given
from sidecar.told import Told
from tests.support.telling import ToldElection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leader"


@pytest.fixture
def settings(path: Path) -> Settings:
    flags: dict[str, Given] = {"elections": ("web",), "etcd_endpoints": "http://127.0.0.1:1", "leader_file": str(path)}
    return build(flags, Surroundings({}, "here", path.parent / "no-account", on_terminal=False))


def body(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_at_start_what_an_earlier_run_wrote_is_taken_back(settings: Settings, path: Path) -> None:
    path.write_text('{"is_leader": true}')
    Told(settings, ToldElection(), Metrics()).open()
    assert body(path)["is_leader"] is False
    assert body(path)["valid_until_boottime_ns"] is None


async def test_before_the_lock_goes_the_file_says_so_and_nobody_speaks_for_its_readers(
    settings: Settings, path: Path
) -> None:
    election = ToldElection()
    told = Told(settings, election, Metrics())
    election.move(State.DRAINING)
    assert await told.finish() is None
    assert body(path)["state"] == "draining"


async def test_at_the_end_the_file_says_that_it_has_stopped(settings: Settings, path: Path) -> None:
    election = ToldElection()
    told = Told(settings, election, Metrics())
    told.open()
    election.move(State.STOPPED)
    await told.end()
    assert body(path)["state"] == "stopped"


async def test_while_the_lock_is_left_as_it_is_the_last_deadline_is_too(settings: Settings, path: Path) -> None:
    election = ToldElection()
    told = Told(settings, election, Metrics())
    told.open()
    before = body(path)
    election.move(State.LEADING, 5)
    await told.end()
    assert body(path) == before
    assert election.promised == []
