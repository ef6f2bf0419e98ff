"""The queue as people read it: one read a second, shared, and never blind to a history that went back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from sidecar.election.queue import Header, LockKey
from sidecar.elector.listing import Listing
from sidecar.errors import EtcdError, EtcdUnavailable, HistoryWentBack
from sidecar.etcd.port import LockStore
from tests.support.pods import LoopClock

pytestmark = pytest.mark.looptime


class Queue:
    """A store that can only list, a tenth of a second long; ``error`` is raised instead of an answer."""

    def __init__(self) -> None:
        self.reads = 0
        self.error: EtcdError | None = None
        self.alarms = 0

    async def candidates(self, lock: str) -> tuple[Header, tuple[LockKey, ...]]:
        self.reads += 1
        await asyncio.sleep(0.1)
        if self.error is not None:
            raise self.error
        return Header(1, 1, 7, 1), (LockKey(f"{lock}/b", 5, 5, 11, "b"), LockKey(f"{lock}/a", 3, 3, 10, "a"))

    def alarm(self) -> None:
        self.alarms += 1

    @asynccontextmanager
    async def listing(self) -> AsyncIterator[Listing]:
        async with asyncio.TaskGroup() as tasks:
            yield Listing(cast("LockStore", self), "/l", LoopClock(), tasks=tasks, history_back=self.alarm)


async def test_all_who_ask_within_a_second_share_one_read() -> None:
    queue = Queue()
    async with queue.listing() as listing:
        answers = await asyncio.gather(*(listing.get() for _ in range(50)))
        await asyncio.sleep(0.8)
        answers.append(await listing.get())
    assert queue.reads == 1
    assert {tuple(key.identity for key in keys) for _, keys in answers} == {("a", "b")}


async def test_a_second_later_it_is_read_again() -> None:
    queue = Queue()
    async with queue.listing() as listing:
        await listing.get()
        await asyncio.sleep(1)
        await listing.get()
    assert queue.reads == 2


async def test_a_failure_is_shared_like_an_answer() -> None:
    queue = Queue()
    queue.error = EtcdUnavailable("away")
    async with queue.listing() as listing:
        failed = await asyncio.gather(*(listing.get() for _ in range(5)), return_exceptions=True)
    assert queue.reads == 1
    assert all(isinstance(error, EtcdUnavailable) for error in failed)


async def test_a_read_that_shows_another_history_raises_the_alarm() -> None:
    queue = Queue()
    queue.error = HistoryWentBack("revision 3 after 7")
    async with queue.listing() as listing:
        with pytest.raises(HistoryWentBack):
            await listing.get()
    assert queue.alarms == 1
