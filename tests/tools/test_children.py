"""Programs that tests start leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.children import Child, Deadline, free_ports

_SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def is_running(pid: int) -> bool:
    """Whether that process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_up(child: Child) -> None:
    deadline = Deadline(30)
    while deadline.goes_on():
        if "up" in child.output():
            return
    raise AssertionError(f"{child.name} did not start: {child.output()}")


def test_a_child_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""
import os, time
from pathlib import Path
from tests.support.children import Child
child = Child("sleeper", {_SLEEPER!r}, Path({str(tmp_path / "sleeper.log")!r}))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        assert is_running(grandchild)
        parent.kill()
    deadline = Deadline(30)
    while deadline.goes_on():
        if not is_running(grandchild):
            return
    os.kill(grandchild, signal.SIGKILL)
    raise AssertionError("the grandchild lives on")


def test_a_frozen_child_can_be_thawed_and_killed(tmp_path: Path) -> None:
    with Child("sleeper", _SLEEPER, tmp_path / "log") as child:
        wait_until_up(child)
        child.freeze()
        assert Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        child.thaw()
        child.freeze()
    assert not child.alive
    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_ended_can_be_started_again(tmp_path: Path) -> None:
    child = Child("short", [sys.executable, "-c", "print('done')"], tmp_path / "log")
    for runs in (1, 2):
        with child:
            assert child.wait() == 0
        assert child.output().count("done") == runs


def test_a_child_that_runs_is_not_started_twice(tmp_path: Path) -> None:
    with Child("sleeper", _SLEEPER, tmp_path / "log") as child, pytest.raises(RuntimeError, match="runs already"):
        child.start()


def test_free_ports_all_differ() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
