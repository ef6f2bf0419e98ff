"""The guard: a process of its own that starts the command, and ends it in time, whatever the supervisor does."""

import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from sidecar.errors import ExitCode, SidecarError
from sidecar.workload.exec.deadlines import now_ns
from sidecar.workload.exec.linux import BootTimer, adopt_orphans
from sidecar.workload.exec.messages import Order, Paused, Report, Started, decode, encode
from sidecar.workload.exec.rules import (
    Act,
    Continue,
    Event,
    Exited,
    Finish,
    Guarded,
    Halt,
    Launch,
    Looked,
    Orphaned,
    Quit,
    Say,
    Send,
    step,
)
from sidecar.workload.exec.tree import Tree

PACKET_BYTES = 65536
_NOT_HANDED_ON = "LEADER_SIDECAR_ETCD_PASSWORD"
_NOT_FOR_US = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class GuardLost(SidecarError):
    """The guard has ended, or no longer reads what it is told."""


class Guard:
    """The supervisor's side of it."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid, self._line = pid, line

    def fileno(self) -> int:
        return self._line.fileno()

    def tell(self, order: Order) -> None:
        """Raises ``GuardLost``."""
        try:
            self._line.send(encode(order), socket.MSG_DONTWAIT)
        except OSError as error:  # also when it has been frozen for minutes, and its socket is full
            raise GuardLost(f"the guard process does not listen: {error.strerror}") from error

    def hear(self) -> Report:
        """Its next report. Raises ``GuardLost``."""
        try:
            packet = self._line.recv(PACKET_BYTES)
        except OSError as error:
            raise GuardLost(f"the guard process cannot be heard: {error.strerror}") from error
        if not packet:
            raise GuardLost("the guard process has ended")
        report: Report = decode(packet)
        return report


def post_guard(command: Sequence[str], *, suspends: bool, tidy: Callable[[], None]) -> Guard:
    """Fork the guard. Call this before threads, event loops and heavy imports: it keeps what is there then.

    It calls ``tidy`` when this process has ended, however that was.

    What the guard leaves behind, when somebody kills it, comes back to this process. Raises ``OSError``.
    """
    adopt_orphans()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _stand(theirs, command, suspends=suspends, tidy=tidy)
    theirs.close()
    return Guard(pid, ours)


def _stand(line: socket.socket, command: Sequence[str], *, suspends: bool, tidy: Callable[[], None]) -> NoReturn:
    code = int(ExitCode.SOFTWARE)
    try:
        _Watch(line, command, suspends=suspends).run()
        tidy()
        code = ExitCode.OK
    except BaseException:  # the supervisor's own frames are above this one, and must not run twice
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class _Watch:
    def __init__(self, line: socket.socket, command: Sequence[str], *, suspends: bool) -> None:
        os.setsid()  # a terminal's signals are for the supervisor
        adopt_orphans()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        # blocked, not ignored: what is sent to a command just forked is to wait until it is one
        self._tree = Tree(command, signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_US))
        self._line, self._timer = line, BootTimer()
        self._guarded, self._over = Guarded(suspends), False
        self._child_ended, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Until the supervisor is gone."""
        poll = select.poll()
        for source in (self._line, self._timer, self._child_ended):
            poll.register(source, select.POLLIN)
        while not self._over:
            poll.poll()
            self._hear_orders()  # before the clock is looked at: a later deadline may be among them
            self._reap()
            self._feed(Looked())

    def _hear_orders(self) -> None:
        while not self._over:
            try:
                packet = self._line.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            self._feed(decode(packet) if packet else Orphaned())

    def _reap(self) -> None:
        try:
            os.read(self._child_ended, 4096)
        except BlockingIOError:
            return
        self._note_end(self._tree.reap())

    def _note_end(self, ended: tuple[int, str] | None) -> None:
        if ended is not None:
            self._feed(Exited(*ended))

    def _feed(self, event: Event) -> None:
        self._guarded, acts = step(self._guarded, event, now_ns())
        self._timer.set(self._guarded.alarm_ns)
        for act in acts:
            self._do(act)

    def _do(self, act: Act) -> None:
        match act:
            case Launch(environment):
                inherited = {name: value for name, value in os.environ.items() if name != _NOT_HANDED_ON}
                self._say(Started(self._tree.launch(inherited | environment)))
            case Send(number):
                self._tree.signal(number)
            case Halt(answers):
                if self._tree.halt() and answers is not None:
                    self._say(Paused(answers))
            case Continue():
                self._tree.signal_all(signal.SIGCONT)
            case Finish():
                self._note_end(self._tree.finish())
            case Say(report):
                self._say(report)
            case Quit():
                self._over = True

    def _say(self, report: Report) -> None:
        try:
            self._line.send(encode(report), socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):
            """It is gone, which the next order says as well."""
