"""Carries out what the course decides, and reaps as process 1 has to. Both forms of ``exec`` have one."""

import contextlib
import os
from collections.abc import Callable

from sidecar.workload.exec.course import Course, step, without_command
from sidecar.workload.exec.deadlines import now_ns
from sidecar.workload.exec.events import Action, Event, GiveUp, Lead, Leave, Note, StandIn
from sidecar.workload.exec.guard import Guard
from sidecar.workload.exec.messages import End, Start
from sidecar.workload.exec.note import VARIABLE, DeadlineFile
from sidecar.workload.exec.tree import Tree, signal_descendants


class Supervisor:
    """``give_up`` and ``leave`` are called when the course wants it. ``say`` takes a line for people.

    ``feed`` raises ``GuardLost``: call ``abandon`` then, and end.
    """

    def __init__(
        self,
        course: Course,
        guard: Guard,
        note: DeadlineFile,
        *,
        give_up: Callable[[], None],
        leave: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.course = course
        self._guard, self._note, self._give_up, self._leave, self._say = guard, note, give_up, leave, say
        self._cannot_write = ""

    def feed(self, event: Event) -> None:
        self.course, actions = step(self.course, event, now_ns())
        for action in actions:
            self._carry_out(action)

    def abandon(self) -> None:
        """The guard is gone, or deaf: kill it and all that the command has left, and return when that is done."""
        Tree((), ()).finish()
        self.course = without_command(self.course)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Note(lead):
                self._write(lead)
            case GiveUp():
                self._give_up()
            case Leave(code, trouble):
                if trouble:
                    self._say(f"the command cannot be started: {trouble}")
                self._leave(code)
            case StandIn(number):
                signal_descendants(self._guard.pid, number)
            case Start(deadline, environment):
                self._say(f"leading with token {environment['LEADER_SIDECAR_TOKEN']}: the command is started")
                self._guard.tell(Start(deadline, environment | {VARIABLE: str(self._note.path)}))
            case _:
                if isinstance(action, End):
                    self._say("the command is told to end")
                self._guard.tell(action)

    def _write(self, lead: Lead) -> None:
        """The deadline in the file stays behind when that fails: the command ends too early by it, never too late."""
        try:
            self._note.write(lead)
        except OSError as error:
            if str(error) != self._cannot_write:
                self._cannot_write = str(error)
                self._say(f"the deadline cannot be written down: {error}")
        else:
            self._cannot_write = ""


def reap() -> None:
    """As process 1: whoever ended and has no parent left is waiting for this."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
