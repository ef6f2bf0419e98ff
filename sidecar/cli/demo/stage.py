"""The demo's stage: one etcd, three candidates, what is done to the leader, and how long the lead took to move."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.cli.demo.candidate import TTL_SECONDS, Candidate
from sidecar.cli.demo.child import Child, DemoFailed
from sidecar.cli.demo.etcd import find_etcd, start_etcd

NAMES = ("A", "B", "C")
_CHECK_SECONDS = 0.1
_RESTART_SECONDS = 2.0 * TTL_SECONDS


@dataclass(frozen=True, slots=True)
class Leadership:
    """``at`` is when the demo heard of it (``time.monotonic``)."""

    name: str
    token: int
    at: float


@dataclass(frozen=True, slots=True)
class Loss:
    """What was done to the leader, and when."""

    name: str
    how: str
    at: float


@dataclass(frozen=True, slots=True)
class Handover:
    loss: Loss
    to: str
    seconds: float


class Stage:
    """``tell`` gets one line for each thing that happens."""

    def __init__(self, directory: Path, tell: Callable[[str], None]) -> None:
        self.candidates: list[Candidate] = []
        self.leadership: Leadership | None = None
        self.handovers: deque[Handover] = deque(maxlen=1000)
        self._directory, self._tell = directory, tell
        self._etcd: Child | None = None
        self._loss: Loss | None = None
        self._moved = asyncio.Event()

    async def open(self) -> None:
        """Raises ``DemoFailed``."""
        binary = find_etcd()
        self._etcd, url = await start_etcd(binary, self._directory)
        self._tell(f"etcd on {url}")
        for name in NAMES:
            self.candidates.append(Candidate(name, url, self._directory))
        self._tell(f"candidates {', '.join(NAMES)}, TTL {TTL_SECONDS} s")

    def close(self) -> None:
        """Kills every process."""
        for candidate in self.candidates:
            candidate.kill()
        if self._etcd:
            self._etcd.kill()

    @contextmanager
    def watched(self, group: asyncio.TaskGroup) -> Iterator[None]:
        """While in it the candidates are listened to. A process that ends by itself fails the group (DemoFailed)."""
        jobs = [self._check()]
        for candidate in self.candidates:
            jobs += [candidate.listen(self._heard), candidate.poll(self._heard)]
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    @property
    def leader(self) -> Candidate | None:
        """Who leads by its own word; the highest token counts."""
        leaders = [candidate for candidate in self.candidates if candidate.leads]
        return max(leaders, key=lambda candidate: int(candidate.said["token"]), default=None)

    @property
    def frozen(self) -> Candidate | None:
        return next((candidate for candidate in self.candidates if candidate.frozen), None)

    async def all_queued(self, within_seconds: float) -> None:
        """Returns once one leads and all others stand in the queue. Raises ``DemoFailed``."""
        try:
            async with asyncio.timeout(within_seconds):
                while not self._full():  # noqa: ASYNC110 - a death is not announced, so nothing can be waited on
                    await asyncio.sleep(_CHECK_SECONDS / 2)
        except TimeoutError:
            states = ", ".join(f"{candidate.name} {candidate.state}" for candidate in self.candidates)
            raise DemoFailed(f"no full queue within {within_seconds:g} s: {states}") from None

    def _full(self) -> bool:
        return self.leader is not None and all(candidate.queued for candidate in self.candidates)

    async def handover(self, within_seconds: float) -> Handover:
        """The next one. Raises ``DemoFailed``."""
        self._moved.clear()
        try:
            async with asyncio.timeout(within_seconds):
                await self._moved.wait()
        except TimeoutError:
            raise DemoFailed(f"no new leader within {within_seconds:g} s") from None
        return self.handovers[-1]

    def kill(self, candidate: Candidate) -> None:
        self._loses(candidate, "killed")
        candidate.kill()

    def freeze(self, candidate: Candidate) -> None:
        self._loses(candidate, "frozen")
        candidate.freeze()

    def thaw(self, candidate: Candidate) -> None:
        self._loss = None  # thawed in time, it may still lead
        self._tell(f"{candidate.name} thawed")
        candidate.thaw()

    async def resign(self, candidate: Candidate) -> None:
        self._loses(candidate, "resigned")
        try:
            resigned = await candidate.resign()
        except OSError:
            resigned = False
        if not resigned:
            self._tell(f"{candidate.name} did not resign")

    def _loses(self, candidate: Candidate, how: str) -> None:
        self._tell(f"{candidate.name} {how}")
        self._loss = Loss(candidate.name, how, time.monotonic())

    def _heard(self, candidate: Candidate, body: dict[str, Any]) -> None:
        token = body.get("token")
        if not body.get("is_leader") or not token or (self.leadership and token <= self.leadership.token):
            return
        self.leadership = Leadership(candidate.name, token, time.monotonic())
        self._tell(f"{candidate.name} leads, token {token}")
        if self._loss:
            seconds = self.leadership.at - self._loss.at
            self.handovers.append(Handover(self._loss, candidate.name, seconds))
            self._loss = None
            self._moved.set()

    async def _check(self) -> None:
        """Finds processes that ended by themselves, and replaces those that were killed once another leads."""
        killed_at: dict[str, float] = {}
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if self._etcd and not self._etcd.alive:
                raise DemoFailed(f"etcd ended: {self._etcd.last_words()}")
            for candidate in self.candidates:
                candidate.check()
                if candidate.killed:
                    since = killed_at.setdefault(candidate.name, time.monotonic())
                    if self.leader or time.monotonic() - since > _RESTART_SECONDS:
                        del killed_at[candidate.name]
                        candidate.restart()
                        self._tell(f"{candidate.name} started anew")
