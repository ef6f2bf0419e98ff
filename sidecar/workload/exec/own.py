"""``exec`` on its own: the command of a process that stands for election itself. Follows the elector's verdict."""

import asyncio
import contextlib
import logging
import signal
from typing import Protocol

from sidecar.election.verdict import State, View
from sidecar.errors import ExitCode, NotLeading
from sidecar.workload.exec.course import PASSED_ON, STOPPING, Command, Course
from sidecar.workload.exec.deadlines import NS, now_ns
from sidecar.workload.exec.events import Event, Lead, Resigned, Seen, Tick, Told
from sidecar.workload.exec.guard import Guard, GuardLost
from sidecar.workload.exec.note import DeadlineFile
from sidecar.workload.exec.supervisor import Supervisor, reap

log = logging.getLogger(__name__)

LOOK_AT_VALIDITY_SECONDS = 0.25
"""A renewal is no change that the elector tells of: a leader looks for a later deadline this often."""
DRAIN_RATIO = 0.9
"""The part of a drain's bound that the command gets: its lock is to be released within the rest."""


class Election(Protocol):
    """What the command needs of the elector."""

    def view(self) -> View:
        """The verdict, computed now."""

    async def changed(self, version: str) -> None:
        """Return once the view's version is another than ``version``."""

    async def resign(self, *, drain: bool) -> None:
        """Give the lead up. Raises ``NotLeading``."""


class OwnCommand:
    """``drain_seconds`` bounds the command's end when the lead is given up on purpose."""

    def __init__(self, course: Course, guard: Guard, note: DeadlineFile, *, drain_seconds: float) -> None:
        self._code: int | None = None
        self._over = asyncio.Event()
        self._guard, self._drain_seconds = guard, drain_seconds
        self._supervisor = Supervisor(course, guard, note, give_up=self._give_up, leave=self._leave, say=log.info)
        self._election: Election | None = None
        self._seen: Seen | None = None
        self._gone, self._still = asyncio.Event(), asyncio.Event()
        self._gone.set()
        self._still.set()
        self._tasks = asyncio.TaskGroup()

    async def run(self, election: Election) -> None:
        """Follow the election until cancelled, and the command until it is gone."""
        self._election = election
        loop = asyncio.get_running_loop()
        loop.add_reader(self._guard.fileno(), self._hear)
        loop.add_signal_handler(signal.SIGCHLD, reap)
        try:
            async with self._tasks:
                while True:
                    view = self._look()
                    self._feed(Tick())
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._pause_seconds()):
                            await election.changed(view.version)
        finally:
            loop.remove_reader(self._guard.fileno())
            loop.remove_signal_handler(signal.SIGCHLD)

    def listen_to_signals(self) -> asyncio.Event:
        """From now on signals go to the command; the event that the process is to end."""
        for number in PASSED_ON:
            asyncio.get_running_loop().add_signal_handler(number, self._told, number)
        return self._over

    def code(self) -> int:
        """The exit code of the process, once the command is gone."""
        return ExitCode.SOFTWARE if self._code is None else self._code

    async def finish(self) -> bool:
        """The lead is being given up: whether the command is gone, or suspended, as it is within the drain's bound."""
        if self._election is not None:
            self._look()
        return await self._wait(self._still)

    async def end(self) -> None:
        """Return when the command is gone, at the latest after the drain's bound."""
        await self._wait(self._gone)

    def _told(self, number: int) -> None:
        if number in STOPPING:
            self._over.set()
        self._feed(Told(number))

    def _look(self) -> View:
        assert self._election is not None  # noqa: S101 - run has begun
        view = self._election.view()
        seen = Seen(_lead(view), draining=view.state is State.DRAINING)
        if seen != self._seen:
            self._seen = seen
            self._feed(seen)
        return view

    def _pause_seconds(self) -> float | None:
        course = self._supervisor.course
        look = LOOK_AT_VALIDITY_SECONDS if course.lead is not None else None
        if course.due_ns is None:
            return look
        due = max(0.0, (course.due_ns - now_ns()) / NS)
        return due if look is None else min(due, look)

    def _hear(self) -> None:
        try:
            report = self._guard.hear()
        except GuardLost as lost:
            self._lose_guard(lost)
            return
        self._feed(report)

    def _feed(self, event: Event) -> None:
        try:
            self._supervisor.feed(event)
        except GuardLost as lost:
            self._lose_guard(lost)
        command = self._supervisor.course.command
        _set(self._gone, command is Command.NONE)
        _set(self._still, command in (Command.NONE, Command.PAUSED))

    async def _wait(self, event: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                await event.wait()
        return event.is_set()

    def _lose_guard(self, lost: GuardLost) -> None:
        asyncio.get_running_loop().remove_reader(self._guard.fileno())
        if self._code is None:
            log.error("%s: nothing can be run without it", lost)
            self._leave(ExitCode.SOFTWARE)
        self._supervisor.abandon()

    def _leave(self, code: int) -> None:
        self._code = code
        self._over.set()

    def _give_up(self) -> None:
        if not self._over.is_set():
            self._tasks.create_task(self._resign(), name="resign")

    async def _resign(self) -> None:
        if self._election is None or self._over.is_set():
            return  # who leaves gives the lead up anyway
        with contextlib.suppress(NotLeading):
            await self._election.resign(drain=True)
        self._feed(Resigned(gone=True))


def _set(event: asyncio.Event, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()


def _lead(view: View) -> Lead | None:
    if view.token is None or view.valid_until is None:
        return None
    return Lead(view.election, view.token, int(view.valid_until * NS))
