"""The few calls of Linux that Python 3.11 does not have: prctl(2), and timerfd(2) on the clock that counts suspend."""

import ctypes
import os
import signal
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = os.O_NONBLOCK, os.O_CLOEXEC, 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Spec(ctypes.Structure):
    """struct itimerspec: interval, then value."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns"))


def die_with_parent(parent: int) -> None:
    """KILL this process when its parent, whose process id is given, ends; at once if it has. Not kept by a fork."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def gain_no_rights() -> None:
    """Neither this process nor what it starts gets more rights by a program's setuid bit, from now on."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of whatever this process' descendants leave behind, as process 1 does."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


class BootTimer:
    """Readable once a time on CLOCK_BOOTTIME has come, also when that was during a suspend."""

    def __init__(self) -> None:
        self._fd = _check(_libc.timerfd_create(time.CLOCK_BOOTTIME, _TFD_NONBLOCK | _TFD_CLOEXEC))

    def fileno(self) -> int:
        return self._fd

    def set(self, at_ns: int | None) -> None:
        """None: never. Unsets what has come."""
        seconds, nanoseconds = divmod(max(1, at_ns), 1_000_000_000) if at_ns is not None else (0, 0)
        spec = _Spec(0, 0, seconds, nanoseconds)
        _check(_libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
