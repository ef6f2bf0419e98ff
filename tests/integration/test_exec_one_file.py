"""The one-file form: ``exec`` and ``wait`` where there is a Python and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.workload.exec.pack import pack
from tests.support.commanded import Beats, FakeSidecar


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "leader-sidecar.pyz"
    subprocess.run([sys.executable, "-m", "sidecar.workload.exec.pack", str(file)], check=True)
    return file


def run(one_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Without any package, and away from this checkout."""
    command = [sys.executable, "-I", "-S", str(one_file), *arguments]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_a_command_as_leader(one_file: Path, tmp_path: Path) -> None:
    beats = Beats(tmp_path / "beats")
    with FakeSidecar() as sidecar:
        sidecar.lead(7)
        ran = run(one_file, "exec", f"--sidecar={sidecar.address}", "--", *beats.command("quits=5"))
    assert (ran.returncode, [start.token for start in beats.starts()]) == (5, [7])


def test_it_waits_for_the_lead(one_file: Path) -> None:
    with FakeSidecar() as sidecar:
        sidecar.lead(7)
        assert run(one_file, "wait", f"--sidecar={sidecar.address}").returncode == 0


def test_it_can_be_started_by_its_name(one_file: Path) -> None:
    ran = subprocess.run([one_file, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("leader-sidecar ")


def test_the_same_sources_give_the_same_bytes(one_file: Path, tmp_path: Path) -> None:
    pack(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == one_file.read_bytes()
