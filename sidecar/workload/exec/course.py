"""What the supervisor does, decided: who leads and what becomes of the command, in; orders and the like, out.

Pure: no processes, no clock. The command runs under one leadership, known by its token: with another token it is ended
and started anew, for it holds the old one (unless it is only suspended: it then reads the token from the file).
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sidecar.workload.exec import deadlines
from sidecar.workload.exec.deadlines import NS, Deadline
from sidecar.workload.exec.events import (
    Action,
    Event,
    GiveUp,
    Lead,
    Leave,
    Note,
    Resigned,
    Seen,
    StandIn,
    Tick,
    Told,
)
from sidecar.workload.exec.messages import (
    End,
    Ended,
    Kill,
    Move,
    Pause,
    Paused,
    Signal,
    Start,
    Started,
    TooLate,
)
from sidecar.workload.exec.wish import OnExit

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
PASSED_ON = STOPPING | {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}

FIRST_RESTART_NS, LAST_RESTART_NS = NS // 4, 10 * NS
"""The least time from a command's own end to its next start here, doubled each time; a run longer than the last of
them resets it. Else a command that always fails would make the lead race around."""


class Command(StrEnum):
    NONE = "none"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Course:
    """``drain_ns`` bounds the command's end when the lead is given up on purpose; None: its deadline alone does.

    ``span_ns`` is the longest that a fresh deadline was seen to hold. ``spent`` is the token of a leadership that was
    given up, under which nothing is started. ``stopped_by`` is the signal that told us to stop. Before
    ``not_before_ns`` nothing is started, and no guard that is late is helped again; 0 for at once. ``pauses`` counts
    the orders to pause.
    """

    on_exit: OnExit
    suspends: bool
    drain_ns: int | None = None
    lead: Lead | None = None
    command: Command = Command.NONE
    pid: int | None = None
    token: int | None = None
    deadline: Deadline | None = None
    span_ns: int = 0
    spent: int | None = None
    owes_resign: bool = False
    stopped_by: int | None = None
    started_ns: int = 0
    not_before_ns: int = 0
    pause_ns: int = FIRST_RESTART_NS
    pauses: int = 0

    @property
    def due_ns(self) -> int | None:
        """When there is something to do even if nothing happens; None for not at all."""
        if self.command in (Command.RUNNING, Command.ENDING) and self.deadline is not None and self.pid is not None:
            late_ns = self.deadline.kill_at_ns + deadlines.kill_ahead_ns(self.span_ns) // 4
            return max(late_ns, self.not_before_ns)
        return (self.not_before_ns or None) if self.command is Command.NONE else None


Step = tuple[Course, tuple[Action, ...]]


def step(course: Course, event: Event, now_ns: int) -> Step:
    """The course after ``event``, and what to do, in order."""
    return _HANDLERS[type(event)](course, event, now_ns)


# === Who leads


def _seen(course: Course, seen: Seen, now_ns: int) -> Step:
    course = replace(course, lead=seen.lead)
    if seen.lead is None:
        return _lost(replace(course, owes_resign=False), now_ns, draining=seen.draining)
    course = replace(course, span_ns=max(course.span_ns, seen.lead.until_ns - now_ns))
    if course.command is Command.NONE:
        return _start_if_due(course, now_ns)
    return _hold(course, seen.lead, deadlines.deadline(seen.lead.until_ns, course.span_ns))


def _hold(course: Course, lead: Lead, deadline: Deadline) -> Step:
    if course.suspends and course.command is not Command.ENDING:
        course = replace(course, command=Command.RUNNING, token=lead.token, deadline=deadline)
        return course, (Note(lead), Move(deadline))
    if lead.token == course.token:
        return replace(course, deadline=deadline), (Note(lead), Move(deadline))
    if course.command is Command.ENDING:
        return course, ()  # it ends by the deadline of its own leadership: others may have led since
    course = replace(course, command=Command.ENDING, deadline=deadline)
    return course, (End(signal.SIGTERM, deadline),)


def _lost(course: Course, now_ns: int, *, draining: bool) -> Step:
    deadline = course.deadline
    if course.command in (Command.NONE, Command.PAUSING, Command.PAUSED) or deadline is None:
        return course, ()
    if course.suspends and course.command is not Command.ENDING:
        course = replace(course, command=Command.PAUSING, pauses=course.pauses + 1)
        return course, (Pause(course.pauses),)
    bound_ns = course.drain_ns if draining else deadlines.grace_ns(course.span_ns)
    if bound_ns is not None:
        deadline = deadline.no_later_than(now_ns + bound_ns)
    if course.command is Command.ENDING:
        return replace(course, deadline=deadline), () if deadline == course.deadline else (Move(deadline),)
    course = replace(course, command=Command.ENDING, deadline=deadline)
    return course, (End(signal.SIGTERM, deadline),)


def _start_if_due(course: Course, now_ns: int) -> Step:
    """We lead, or nobody knows, and nothing runs: start the command, unless this leadership is not for that."""
    lead = course.lead
    if lead is None or course.stopped_by is not None:
        return course, ()
    if lead.token == course.spent:
        return replace(course, owes_resign=False), (GiveUp(),) if course.owes_resign else ()
    deadline = deadlines.deadline(lead.until_ns, course.span_ns)
    if now_ns >= deadline.term_at_ns or now_ns < course.not_before_ns:
        return course, ()
    environment = {
        "LEADER_SIDECAR_ELECTION": lead.election,
        "LEADER_SIDECAR_TOKEN": str(lead.token),
        "LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS": str(lead.until_ns),
    }
    course = replace(
        course,
        command=Command.RUNNING,
        token=lead.token,
        deadline=deadline,
        started_ns=now_ns,
        not_before_ns=0,
    )
    return course, (Note(lead), Start(deadline, environment))


# === What becomes of the command


def _started(course: Course, started: Started, _now_ns: int) -> Step:
    return replace(course, pid=started.pid), ()


def _paused(course: Course, paused: Paused, _now_ns: int) -> Step:
    """An answer to an earlier order says nothing of now."""
    stands = course.command is Command.PAUSING and paused.number == course.pauses
    return replace(course, command=Command.PAUSED) if stands else course, ()


def _too_late(course: Course, _event: TooLate, now_ns: int) -> Step:
    course = without_command(course)
    if course.stopped_by is not None:
        return course, (GiveUp(), Leave(128 + course.stopped_by))
    return _start_if_due(course, now_ns)


def _ended(course: Course, ended: Ended, now_ns: int) -> Step:
    was_paused = course.command in (Command.PAUSING, Command.PAUSED)
    token, course = course.token, without_command(course)
    if course.stopped_by is not None:
        code = 128 + course.stopped_by if was_paused else ended.code
        return course, (GiveUp(), Leave(code))
    if ended.asked:
        return _start_if_due(course, now_ns)
    if course.on_exit is OnExit.EXIT or ended.trouble:
        return replace(course, spent=token), (GiveUp(), Leave(ended.code, ended.trouble))
    pause_ns = FIRST_RESTART_NS if now_ns - course.started_ns > LAST_RESTART_NS else course.pause_ns
    course = replace(course, not_before_ns=now_ns + pause_ns, pause_ns=min(2 * pause_ns, LAST_RESTART_NS))
    if course.on_exit is OnExit.RESTART:
        return course, ()
    course = replace(course, spent=token)
    return course, (GiveUp(),) if course.lead is not None and course.lead.token == token else ()


def without_command(course: Course) -> Course:
    """After the command's end."""
    return replace(course, command=Command.NONE, pid=None, token=None, deadline=None, not_before_ns=0)


def _resigned(course: Course, resigned: Resigned, _now_ns: int) -> Step:
    return replace(course, owes_resign=not resigned.gone), ()


def _tick(course: Course, _event: Tick, now_ns: int) -> Step:
    if course.due_ns is None or now_ns < course.due_ns:
        return course, ()
    if course.pid is None:
        return _start_if_due(replace(course, not_before_ns=0), now_ns)
    number = signal.SIGSTOP if course.suspends and course.command is Command.RUNNING else signal.SIGKILL
    return replace(course, not_before_ns=now_ns + NS), (StandIn(number),)


# === Signals


def _told(course: Course, told: Told, _now_ns: int) -> Step:
    if told.number not in STOPPING:
        return course, () if course.command is Command.NONE else (Signal(told.number),)
    course = replace(course, stopped_by=course.stopped_by or told.number)
    match course.command:
        case Command.NONE:
            return course, (GiveUp(), Leave(128 + told.number))
        case Command.PAUSING | Command.PAUSED:
            return course, (Kill(),)  # to end in order it would have to run
        case _ if course.deadline is not None:
            return replace(course, command=Command.ENDING), (End(told.number, course.deadline),)
    return course, ()


_HANDLERS: dict[type, Callable[[Course, Any, int], Step]] = {
    Seen: _seen,
    Told: _told,
    Resigned: _resigned,
    Tick: _tick,
    Started: _started,
    Ended: _ended,
    Paused: _paused,
    TooLate: _too_late,
}
