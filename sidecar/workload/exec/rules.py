"""What the guard does, decided: no processes, no clock. ``step`` takes one event and the time, and gives what to do.

The rule that everything else serves: at ``kill_at_ns`` of the last deadline told the command is killed (or suspended,
where that was wished), with no word from anybody.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sidecar.workload.exec.deadlines import Deadline
from sidecar.workload.exec.messages import End, Ended, Kill, Move, Order, Pause, Report, Signal, Start, TooLate


@dataclass(frozen=True, slots=True)
class Guarded:
    """``deadline`` is None while nothing runs. ``asked``: it was told to end, for the lead goes."""

    suspends: bool
    deadline: Deadline | None = None
    asked: bool = False
    paused: bool = False

    @property
    def alarm_ns(self) -> int | None:
        """When to look at the clock next; None for not at all."""
        if self.deadline is None or (self.paused and self.suspends):
            return None
        return self.deadline.kill_at_ns if self.asked or self.suspends else self.deadline.term_at_ns


# === Events, besides the supervisor's orders


@dataclass(frozen=True, slots=True)
class Looked:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The command's first process has ended; ``trouble`` as in ``Ended``."""

    code: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Orphaned:
    """The supervisor is gone."""


# === Acts


@dataclass(frozen=True, slots=True)
class Launch:
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Send:
    """A signal for the command's process group."""

    number: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop all that the command started, also what left its process group; say so if this ``answers`` a ``Pause``."""

    answers: int | None = None


@dataclass(frozen=True, slots=True)
class Continue:
    """What ``Halt`` stopped goes on."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Kill whatever the command has started and is left, and return when it is gone."""


@dataclass(frozen=True, slots=True)
class Say:
    report: Report


@dataclass(frozen=True, slots=True)
class Quit:
    pass


Event = Order | Looked | Exited | Orphaned
Act = Launch | Send | Halt | Continue | Finish | Say | Quit
Step = tuple[Guarded, tuple[Act, ...]]


def step(guarded: Guarded, event: Event, now_ns: int) -> Step:
    """The guard's state after ``event``, and what to do, in order; the timer is set to ``alarm_ns`` before that."""
    return _HANDLERS[type(event)](guarded, event, now_ns)


def _start(guarded: Guarded, start: Start, now_ns: int) -> Step:
    if now_ns >= start.deadline.term_at_ns:  # it waited in the socket while this process stood still
        return guarded, (Say(TooLate()),)
    return Guarded(guarded.suspends, start.deadline), (Launch(start.environment),)


def _move(guarded: Guarded, move: Move, now_ns: int) -> Step:
    if guarded.deadline is None:
        return guarded, ()
    guarded = replace(guarded, deadline=move.deadline)
    if guarded.paused and now_ns < move.deadline.kill_at_ns:
        return replace(guarded, paused=False), (Continue(),)
    return _look(guarded, move, now_ns)


def _end(guarded: Guarded, end: End, now_ns: int) -> Step:
    if guarded.deadline is None:
        return guarded, ()
    guarded, acts = _look(replace(guarded, deadline=end.deadline, asked=True), end, now_ns)
    return guarded, acts or (Send(end.number),)


def _signal(guarded: Guarded, passed_on: Signal, _now_ns: int) -> Step:
    return guarded, () if guarded.deadline is None else (Send(passed_on.number),)


def _pause(guarded: Guarded, pause: Pause, _now_ns: int) -> Step:
    if guarded.deadline is None:
        return guarded, ()
    return replace(guarded, paused=True), (Halt(pause.number),)


def _kill(guarded: Guarded, _event: Event, _now_ns: int) -> Step:
    if guarded.deadline is None:
        return guarded, ()
    return replace(guarded, asked=True), (Finish(),)


def _look(guarded: Guarded, event: Event, now_ns: int) -> Step:
    alarm_ns = guarded.alarm_ns
    if guarded.deadline is None or alarm_ns is None or now_ns < alarm_ns:
        return guarded, ()
    if guarded.suspends and not guarded.asked:
        return replace(guarded, paused=True), (Halt(),)
    if now_ns >= guarded.deadline.kill_at_ns:
        return _kill(guarded, event, now_ns)
    return replace(guarded, asked=True), (Send(signal.SIGTERM),)


def _exited(guarded: Guarded, exited: Exited, _now_ns: int) -> Step:
    ended = Ended(exited.code, guarded.asked, exited.trouble)
    return Guarded(guarded.suspends), (Finish(), Say(ended))


def _orphaned(guarded: Guarded, _event: Orphaned, _now_ns: int) -> Step:
    return guarded, (Finish(), Quit())


_HANDLERS: dict[type, Callable[[Guarded, Any, int], Step]] = {
    Start: _start,
    Move: _move,
    End: _end,
    Signal: _signal,
    Pause: _pause,
    Kill: _kill,
    Looked: _look,
    Exited: _exited,
    Orphaned: _orphaned,
}
