"""Processes of the demo's own: they die with it, and a Ctrl-C at the terminal does not reach them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class DemoFailed(Exception):
    """The demo cannot go on; the message is one line for a person."""


class Child:
    """One process in a group of its own, its output in ``log``.

    Hazard: the kernel kills it when the *thread* that started it ends: start children from the main thread only.
    """

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        parent = os.getpid()

        def die_with_parent() -> None:
            if sys.platform == "linux":
                _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it ended before prctl took hold
                os._exit(1)

        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - programs of our own choosing
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
                preexec_fn=die_with_parent,
            )
        self.frozen = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """SIGKILL, which a frozen process obeys too; returns once it is gone."""
        self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        """The last line it wrote, to say why it ended."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""
