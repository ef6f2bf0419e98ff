"""Makes a Service's slices say what the verdict says, and name this pod while it leads.

``sidecar.election.route`` decides every step; this carries them out one after the other, backs off, and goes on at once
when the verdict changes. It never exits for want of rights and never touches the leadership.
"""

import asyncio
import math
from dataclasses import replace
from random import Random

from sidecar.clock import Clock
from sidecar.election.label import Failure
from sidecar.election.label_timing import START_SECONDS, hold_seconds
from sidecar.election.route import (
    Call,
    Hold,
    Known,
    Leave,
    Rest,
    Standing,
    Step,
    Write,
    at_once,
    in_sync,
    may_serve,
    next_step,
    overtaken,
    retry,
    unauthorized,
)
from sidecar.kube.route_port import Slices
from sidecar.metrics import Metrics
from sidecar.router.calls import Answer, Caller
from sidecar.router.port import Announcer, Parting, Verdict
from sidecar.router.report import Report
from sidecar.router.schedule import Schedule


class Router:
    """``run`` until cancelled, or until the pod is gone."""

    def __init__(
        self,
        *,
        election: str,
        name: str,
        uid: str,
        grace_seconds: float,
        slices: Slices,
        verdict: Verdict,
        announcer: Announcer,
        clock: Clock,
        random: Random,
        metrics: Metrics,
    ) -> None:
        """``name`` and ``uid`` are the own pod's."""
        self._verdict = verdict
        self._clock = clock
        self._random = random
        self._caller = Caller(name, slices, verdict)
        self._report = Report(election, slices.service_name, metrics, announcer)
        self._schedule = Schedule(clock, random, grace_seconds)
        self._known = Known(uid)
        self._under_way: Step = Rest()
        self._holds = 0
        self._ends = False
        self._news = asyncio.Event()
        self._initialised = asyncio.Event()
        self._learned = asyncio.Event()
        metrics.route_in_sync.labels(election).set_function(lambda: float(self.in_sync()))

    def in_sync(self) -> bool:
        """Whether the slices are known to say what the verdict says."""
        return in_sync(self._known, self._verdict.leading())

    def may_name_me(self) -> bool:
        """Whether a slice may name this pod while it does not lead."""
        under_way = self._under_way
        sent = isinstance(under_way, Write) and under_way.names_me
        return self._verdict.leading() is None and not self._known.gone and (sent or may_serve(self._known))

    def carry_on(self) -> None:
        """Before ``run``: this run resumes another's place, so a slice that names this pod may be right, and stays."""
        self._known = replace(self._known, starting=False)

    async def wait_initialised(self) -> None:
        """Until joining may begin: a previous run's endpoint is taken off, or the API was away for 2 s."""
        await self._initialised.wait()

    async def hand_over(self, timeout_seconds: float) -> bool:
        """At the end of this process: wait until no slice names this pod, be it that a successor's endpoint has
        replaced its own, or that it was taken off when the grace was over. False: not within the time.
        """
        self._ends = True
        until = self._clock.now() + timeout_seconds
        self._news.set()
        while not self._is_off() and (left := until - self._clock.now()) > 0:
            self._learned.clear()
            await self._wait_for(self._learned, left)
        return self._is_off()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._listen(), name="route: verdict"),
                tasks.create_task(self._bound_start(), name="route: start"),
            ]
            await self._reconcile(tasks)
            for helper in helpers:
                helper.cancel()

    async def _listen(self) -> None:
        token = self._verdict.leading()
        while True:
            await self._verdict.changed()
            before, token = token, self._verdict.leading()
            if token != before:  # what failed for a follower says little of how long a leader should wait
                self._schedule.forget_failures()
            self._news.set()

    async def _bound_start(self) -> None:
        await self._clock.sleep(START_SECONDS)
        self._initialised.set()

    async def _reconcile(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            # Before the verdict is asked: a change after that must end the wait.
            self._news.clear()
            step = next_step(self._known, self._standing(), look=self._schedule.look())
            match step:
                case Leave():
                    self._report.gone()
                    return
                case Rest():
                    await self._wait_for(self._news, self._schedule.next_look_at() - self._clock.now())
                case Hold():
                    await self._hold(step)
                case _:
                    await self._wait_for(self._news, await self._call(step, tasks))

    def _standing(self) -> Standing:
        """The verdict now. The grace begins when the lock has gone, or when the process ends with the lock in hand."""
        token = self._verdict.leading()
        parting = self._verdict.parting() if token is None else Parting.OUT
        if parting is Parting.OUT:
            self._schedule.forget_leaving()
            return Standing(token)
        if parting is Parting.LEAVING and not self._ends:
            return Standing(None, keeps=True)
        self._schedule.leave()
        return Standing(None, keeps=self._schedule.in_grace())

    async def _hold(self, step: Hold) -> None:
        self._report.higher_token(step)
        self._holds += 1
        await self._wait_for(self._news, hold_seconds(self._holds, self._random.random()))
        self._known = retry(self._known)

    async def _call(self, step: Call, tasks: asyncio.TaskGroup) -> float:
        """Carry out one step, or what overtakes it. Returns how many seconds to back off."""
        self._under_way = step
        task = tasks.create_task(self._caller.carry_out(self._known, step), name=f"route: {type(step).__name__}")
        news = tasks.create_task(self._news.wait())
        try:
            while not task.done():
                await asyncio.wait((task, news), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                self._news.clear()
                news = tasks.create_task(self._news.wait())
                urgent = at_once(self._known, self._standing(), step)
                if urgent is not None:
                    # The other task goes on until its thread returns; its answer is not looked at.
                    self._known = overtaken(self._known, step)
                    self._under_way = step = urgent
                    task = tasks.create_task(self._caller.carry_out(self._known, urgent), name="route: at once")
        finally:
            news.cancel()
            self._under_way = Rest()
        return self._learn(step, task.result())

    def _learn(self, step: Call, answer: Answer) -> float:
        self._known = answer.known
        delay = self._schedule.note(step, answer, leads=self._verdict.leading() is not None)
        self._report.note(step, answer)
        if isinstance(step, Write) and answer.failure is None:
            self._holds = 0
        if self._schedule.unauthorized():
            self._known = unauthorized(self._known)
        if answer.failure is Failure.REFUSED or not self._known.starting or self._known.gone:
            self._initialised.set()
        self._learned.set()
        return delay

    def _is_off(self) -> bool:
        known = self._known
        # A run that never read the slices has written none.
        unread = known.slices is None and known.starting and not known.doubts
        named = known.slices is None or may_serve(known)
        return known.gone or unread or not named

    async def _wait_for(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event is set, at most ``seconds`` (``inf`` for ever)."""
        if event.is_set() or seconds <= 0:
            return
        waits: list[asyncio.Task[object]] = [asyncio.create_task(event.wait())]
        if seconds < math.inf:
            waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
