"""The command's processes, seen from their parent: start, signal all, kill all, and reap. For the guard alone."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sidecar.workload.exec.linux import die_with_parent, gain_no_rights
from sidecar.workload.exec.wish import NOT_EXECUTABLE, NOT_FOUND

_LOOK_AGAIN_SECONDS = 0.001
_LOOKS_FOR_STILLNESS = 100
_STILL = (b"T", b"t", b"Z", b"X")
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)


class Tree:
    """One command at a time. ``mask`` has the signals that it is to have blocked, whatever this process blocks.

    This process must adopt orphans: what leaves the command's process group, or outlives its parent, is found by that.
    """

    def __init__(self, command: Sequence[str], mask: Iterable[int]) -> None:
        self._command, self._mask = list(command), set(mask)
        self._pid: int | None = None
        self._trouble: int | None = None

    def launch(self, environment: Mapping[str, str]) -> int:
        """Start the command as leader of a session of its own; its process id. Does not wait for the program to load.

        That could take long, on a network file system: a failure shows in ``reap``.
        """
        self._trouble, telling = os.pipe()
        os.set_blocking(self._trouble, False)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._become_command(parent, telling, environment)
        os.close(telling)
        return self._pid

    def _become_command(self, parent: int, telling: int, environment: Mapping[str, str]) -> None:
        code = NOT_EXECUTABLE
        try:
            os.setsid()
            die_with_parent(parent)
            if os.geteuid() != 0:
                gain_no_rights()  # what we may not kill must not be started
            for number in _PYTHON_IGNORES:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)  # what was sent since the fork takes effect now
            os.execvpe(self._command[0], self._command, dict(environment))  # noqa: S606 - that is what exec is for
        except OSError as error:
            os.write(telling, str(error.errno).encode())
            code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        finally:
            os._exit(code)

    def signal(self, number: int) -> None:
        """To the command's process group."""
        if self._pid is None:
            return
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:  # just forked, it has no group of its own yet; or it has ended, and is not reaped
            os.kill(self._pid, number)

    def signal_all(self, number: int) -> None:
        self.signal(number)
        signal_descendants(os.getpid(), number)

    def halt(self) -> bool:
        """Stop all: whether everything stands still now. What hangs in the kernel may not yet."""
        self.signal_all(signal.SIGSTOP)
        for _ in range(_LOOKS_FOR_STILLNESS):
            if all(_state(pid) in _STILL for pid in _descendants(os.getpid())):
                return True
            time.sleep(_LOOK_AGAIN_SECONDS)
        return False

    def finish(self) -> tuple[int, str] | None:
        """Kill and reap everything. What ``reap`` gives, if the command's first process ended by it."""
        self.signal(signal.SIGKILL)
        ended: tuple[int, str] | None = None
        while True:
            ended = self.reap() or ended
            if not _has_children():
                return ended
            self.signal_all(signal.SIGKILL)
            time.sleep(_LOOK_AGAIN_SECONDS)

    def reap(self) -> tuple[int, str] | None:
        """Reap whatever has ended. The command's exit code, and why it could not be started, if it is among them."""
        ended: tuple[int, str] | None = None
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._pid:
                    ended, self._pid = (_exit_code(found[1]), self._why_not_started()), None
        return ended

    def _why_not_started(self) -> str:
        if self._trouble is None:
            return ""
        try:
            told = os.read(self._trouble, 16)
        except BlockingIOError:  # a child of its own has the other end: it ended before it could load the program
            told = b""
        os.close(self._trouble)
        self._trouble = None
        return os.strerror(int(told)) if told else ""


def signal_descendants(root: int, number: int) -> None:
    """To each process that ``root`` has started, directly or not; also to those it starts meanwhile."""
    told: set[int] = set()
    while found := set(_descendants(root)) - told:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        told |= found


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry))
    wanted = [root]
    while wanted:
        found = children.get(wanted.pop(), [])
        yield from found
        wanted += found


def _parent(pid: str) -> int | None:
    fields = _fields(pid)
    return int(fields[1]) if fields else None


def _state(pid: int) -> bytes:
    """As in proc(5); ``X``, dead, for one that is gone."""
    fields = _fields(str(pid))
    return fields[0] if fields else b"X"


def _fields(pid: str) -> list[bytes]:
    """What follows the name, which may hold spaces and brackets, in its line; nothing where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()
    except OSError:
        return []
