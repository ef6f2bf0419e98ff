"""Makes this pod's label say what the verdict says: one reconciler for each election.

``sidecar.election.label`` decides every step; this carries them out one after the other, backs off, and goes on at once
when the verdict changes. It never exits for want of rights and never touches the leadership, save that it reports a
pod that is gone.
"""

import asyncio
import math
from dataclasses import replace
from random import Random

from sidecar.clock import Clock
from sidecar.election.label import (
    Call,
    Failure,
    Hold,
    Known,
    Leave,
    ListPeers,
    Rest,
    Rules,
    Settle,
    Step,
    Strip,
    WriteOwn,
    at_once,
    in_sync,
    next_step,
    overtaken,
    retry,
    unauthorized,
)
from sidecar.election.label_scheme import Role
from sidecar.election.label_timing import START_SECONDS, hold_seconds
from sidecar.kube.port import Pods
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.calls import Answer, Caller
from sidecar.labeler.port import Verdict
from sidecar.labeler.report import Report
from sidecar.labeler.schedule import Schedule
from sidecar.metrics import Metrics


class Labeler:
    """``run`` until cancelled, or until the pod is gone."""

    def __init__(
        self,
        *,
        election: str,
        rules: Rules,
        name: str,
        uid: str,
        settle_seconds: float,
        pods: Pods,
        verdict: Verdict,
        announcer: Announcer,
        clock: Clock,
        random: Random,
        metrics: Metrics,
    ) -> None:
        """``name`` and ``uid`` are the own pod's; an empty uid is taken from the first read."""
        self._rules = rules
        self._verdict = verdict
        self._clock = clock
        self._random = random
        self._caller = Caller(rules, name, pods, verdict)
        self._report = Report(election, metrics, announcer)
        self._schedule = Schedule(clock, random, settle_seconds)
        self._known = Known(uid)
        self._under_way: Step = Rest()
        self._holds = 0
        self._news = asyncio.Event()
        self._initialised = asyncio.Event()
        self._learned = asyncio.Event()
        metrics.label_in_sync.labels(election).set_function(lambda: float(self.in_sync()))

    def in_sync(self) -> bool:
        """Whether the label is known to say what the verdict says, and no peer's is known to stand against it."""
        return in_sync(self._rules, self._known, self._verdict.leading())

    def may_say_leader(self) -> bool:
        """Whether the own label may say ``leader`` while the verdict does not."""
        return self._verdict.leading() is None and not self._known.gone and self._may_lead()

    @property
    def initialised(self) -> bool:
        """Whether joining may begin: a previous run's label is put right, or the API was away for 2 s."""
        return self._initialised.is_set()

    def carry_on(self) -> None:
        """Before ``run``: this run resumes another's place, so a label that says leader may be right, and stays."""
        self._known = replace(self._known, starting=False, may_lead=True)

    async def wait_initialised(self) -> None:
        await self._initialised.wait()

    async def take_off(self, timeout_seconds: float) -> bool:
        """Wait until the own label is known to be off; the verdict must be off already. False: not within the time."""
        until = self._clock.now() + timeout_seconds
        self._news.set()
        while not self._is_off() and (left := until - self._clock.now()) > 0:
            self._learned.clear()
            await self._wait_for(self._learned, left)
        return self._is_off()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._listen(), name="label: verdict"),
                tasks.create_task(self._bound_start(), name="label: start"),
            ]
            await self._reconcile(tasks)
            self._verdict.pod_gone()
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
            step = self._decide()
            match step:
                case Leave():
                    self._report.gone()
                    return
                case Rest():
                    await self._wait_for(self._news, self._schedule.next_look_at() - self._clock.now())
                case Settle():
                    await self._wait_for(self._news, self._schedule.settled_at - self._clock.now())
                case Hold():
                    await self._hold(step)
                case _:
                    await self._wait_for(self._news, await self._call(step, tasks))

    def _decide(self) -> Step:
        return next_step(
            self._rules,
            self._known,
            self._verdict.leading(),
            settled=self._clock.now() >= self._schedule.settled_at,
            look=self._schedule.look(),
        )

    async def _hold(self, step: Hold) -> None:
        self._report.higher_token(step)
        self._holds += 1
        await self._wait_for(self._news, hold_seconds(self._holds, self._random.random()))
        self._known = retry(self._known)

    async def _call(self, step: Call, tasks: asyncio.TaskGroup) -> float:
        """Carry out one step, or what overtakes it. Returns how many seconds to back off."""
        self._under_way = step
        task = tasks.create_task(self._caller.carry_out(self._known, step), name=f"label: {type(step).__name__}")
        news = tasks.create_task(self._news.wait())
        try:
            while not task.done():
                await asyncio.wait((task, news), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                self._news.clear()
                news = tasks.create_task(self._news.wait())
                urgent = at_once(self._known, self._verdict.leading(), step)
                if urgent is not None:
                    # The other task goes on until its thread returns; its answer is not looked at.
                    self._known = overtaken(self._known, step)
                    self._under_way = step = urgent
                    task = tasks.create_task(self._caller.carry_out(self._known, urgent), name="label: at once")
        finally:
            news.cancel()
            self._under_way = Rest()
        return self._learn(step, task.result())

    def _learn(self, step: Call, answer: Answer) -> float:
        self._known = answer.known
        delay = self._schedule.note(step, answer, leads=self._verdict.leading() is not None)
        self._report.note(step, answer)
        if isinstance(step, ListPeers) and answer.failure is None:
            self._report.foreign(self._known.foreign)
        if isinstance(step, Strip | WriteOwn) and answer.failure is None:
            self._holds = 0
        if self._schedule.unauthorized():
            self._known = unauthorized(self._known)
        if answer.failure is Failure.REFUSED or not self._known.starting or self._known.gone:
            self._initialised.set()
        self._learned.set()
        return delay

    def _may_lead(self) -> bool:
        under_way = self._under_way
        return self._known.may_lead or (isinstance(under_way, WriteOwn) and under_way.role is Role.LEADER)

    def _is_off(self) -> bool:
        known = self._known
        # A run that never read its pod has not labelled it.
        unread = known.own is None and known.starting and not known.may_lead
        return known.gone or unread or in_sync(self._rules, known, None)

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
