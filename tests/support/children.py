"""Programs that tests start: each dies with the process that started it, and can be killed, frozen and thawed."""

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Child:
    """One process; its standard output and error go to ``log_file``.

    Used as a context manager it is gone at the end, however the test ended. ``start`` may be called again after the
    process has ended: the log is appended to. With ``leads_group`` it is the first of a process group of its own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_file: Path,
        *,
        environment: Mapping[str, str] | None = None,
        takes_commands: bool = False,
        leads_group: bool = False,
    ) -> None:
        self.name, self.command, self.log_file = name, [str(part) for part in command], log_file
        self.environment = None if environment is None else dict(environment)
        self._stdin = subprocess.PIPE if takes_commands else subprocess.DEVNULL
        self._process_group = 0 if leads_group else None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._started().poll()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        parent = os.getpid()

        def die_with_parent() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before prctl took hold
                os._exit(1)

        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=self._stdin,
                stdout=log,
                stderr=log,
                env=self.environment,
                preexec_fn=die_with_parent,  # safe: it only calls prctl
                process_group=self._process_group,
            )

    def kill(self) -> None:
        """SIGKILL, which also ends a frozen process. Fine when it has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()

    def terminate(self, timeout_seconds: float = 30) -> int:
        """SIGTERM, then wait; its exit code. Raises ``subprocess.TimeoutExpired``."""
        self._started().terminate()
        return self.wait(timeout_seconds)

    def interrupt(self) -> None:
        """SIGINT."""
        self._started().send_signal(signal.SIGINT)

    def tell(self, line: str) -> None:
        """One line on its standard input, where it ``takes_commands``."""
        stdin = self._started().stdin
        if stdin is None:
            raise RuntimeError(f"{self.name} takes no commands")
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def wait(self, timeout_seconds: float = 30) -> int:
        return self._started().wait(timeout_seconds)

    def freeze(self) -> None:
        """SIGSTOP; returns once every thread of it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def output(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process


LANES, LANE = 20, range(12_000, 13_000)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now; none is given twice.

    They lie below those that the kernel gives to outgoing connections, and each test process has a lane of its own: a
    port may be given here long before somebody listens on it.
    """
    return list(itertools.islice(filter(_is_free, _lane), count))


_lane = itertools.cycle(port + os.getpid() % LANES * len(LANE) for port in LANE)


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


class Deadline:
    """Paces a wait: ``while deadline.goes_on(): look``. Generous by intent: it bounds a failure, it times nothing."""

    def __init__(self, seconds: float, *, poll_seconds: float = 0.02) -> None:
        self._ends, self._poll, self._looked = time.monotonic() + seconds, poll_seconds, False

    def goes_on(self) -> bool:
        """True at the first call; later sleeps a little and says whether there is time left."""
        if not self._looked:
            self._looked = True
            return True
        time.sleep(self._poll)
        return time.monotonic() < self._ends
