"""``leader-sidecar wait``: its exit code says what an entrypoint wants to know."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sidecar.errors import ExitCode
from tests.support.children import Child, Deadline
from tests.support.commanded import WITHOUT_PACKAGES, FakeSidecar

PROGRAMS = [
    pytest.param([sys.executable, "-m", "sidecar"], id="package"),
    pytest.param(WITHOUT_PACKAGES, id="one file"),
]


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        yield fake


def wait(program: Sequence[str], address: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [*program, "wait", f"--sidecar={address}", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_leader_does_not_wait(program: Sequence[str], sidecar: FakeSidecar) -> None:
    sidecar.lead(7)
    assert wait(program, sidecar.address).returncode == ExitCode.OK


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_follower_waits_until_its_time_is_up(program: Sequence[str], sidecar: FakeSidecar) -> None:
    waited = wait(program, sidecar.address, "--timeout=0.3")
    assert waited.returncode == ExitCode.TEMPORARY
    assert waited.stderr == "leader-sidecar: wait: --timeout is up: me is waiting, other leads\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_follower_that_wants_to_be_one_does_not_wait(program: Sequence[str], sidecar: FakeSidecar) -> None:
    assert wait(program, sidecar.address, "--follower").returncode == ExitCode.OK


def test_a_leader_that_wants_to_follow_waits(sidecar: FakeSidecar) -> None:
    sidecar.lead(7)
    assert wait(WITHOUT_PACKAGES, sidecar.address, "--follower", "--timeout=0.3").returncode == ExitCode.TEMPORARY


def test_it_goes_on_once_this_pod_leads(sidecar: FakeSidecar, tmp_path: Path) -> None:
    with Child("wait", [*WITHOUT_PACKAGES, "wait", f"--sidecar={sidecar.address}"], tmp_path / "log") as waiting:
        deadline = Deadline(60)
        while deadline.goes_on() and sidecar.asked < 2:
            assert waiting.alive
        sidecar.lead(7)
        assert waiting.wait() == ExitCode.OK


def test_a_sidecar_that_is_not_there_yet_is_waited_for() -> None:
    with FakeSidecar() as gone:
        address = gone.address
    waited = wait(WITHOUT_PACKAGES, address, "--timeout=0.5")
    assert waited.returncode == ExitCode.TEMPORARY
    assert f"no sidecar answers on {address}" in waited.stderr


def test_a_timeout_that_is_no_number_is_wrong_usage() -> None:
    waited = wait([sys.executable, "-m", "sidecar"], "localhost:1", "--timeout=soon")
    assert (waited.returncode, waited.stderr.count("\n")) == (ExitCode.USAGE, 1)
