"""``deploy/examples/lead.sh``, which the docs show for images that have no Python, as they run it."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.children import Child, Deadline
from tests.support.commanded import ROOT, Beats, FakeSidecar

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("sh", "curl", "setsid", "awk"))), reason="needs sh, curl, setsid and awk"
)


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        yield fake


@pytest.fixture
def beats(tmp_path: Path) -> Beats:
    return Beats(tmp_path / "beats")


@contextmanager
def running(sidecar: FakeSidecar, beats: Beats, folder: Path, *modes: str) -> Iterator[Child]:
    """A ``lead.sh`` of which, at the end, nothing is left."""
    script: list[str | Path] = [
        "env",
        f"SIDECAR={sidecar.address}",
        "sh",
        ROOT / "deploy/examples/lead.sh",
        *beats.command(*modes),
    ]
    with Child("lead", script, folder / "lead.log") as process:
        yield process
        if process.alive:
            assert process.terminate() == 128 + signal.SIGTERM
    beats.wait_until_gone()


def test_the_command_runs_while_its_pod_leads_and_has_the_token(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path):
        sidecar.lead(7)
        beats.wait_for_beats()
        sidecar.follow()
        beats.wait_until_gone()
        sidecar.lead(9)
        assert [start.token for start in beats.wait_for_starts(2)] == [7, 9]


def test_it_is_dead_before_the_validity_ends_when_the_sidecar_falls_silent(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with running(sidecar, beats, tmp_path, "stubborn"):
        sidecar.lead(7)
        beats.wait_for_beats()
        until_ns = sidecar.fall_silent()
        assert beats.wait_until_gone().at_ns < until_ns
        sidecar.speak()


def test_its_own_end_gives_the_lead_up(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    with running(sidecar, beats, tmp_path, "quits=1"):
        sidecar.lead(7)
        beats.wait_for_starts(1)
        deadline = Deadline(60)
        while deadline.goes_on() and not sidecar.resigned:
            pass
        assert sidecar.resigned == [7]
