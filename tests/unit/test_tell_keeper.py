"""When the leader file is written, and what stands in it."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.election.verdict import State
from sidecar.metrics import Metrics
from sidecar.workload.tell.keeper import FileKeeper
from tests.support.telling import MAX_PROMISE_SECONDS, ToldElection, compose

pytestmark = pytest.mark.looptime

EVERY_SECONDS = MAX_PROMISE_SECONDS / 2


class Bench:
    """A keeper, and what it wrote: with when, and with what had been promised by then."""

    def __init__(self) -> None:
        self.election, self.metrics = ToldElection(), Metrics()
        self.written: list[tuple[float, dict[str, Any], list[float]]] = []
        self.failures: list[OSError] = []
        self.busy = False
        self.disk = asyncio.Event()
        self.disk.set()
        self.keeper = FileKeeper(
            self.election, compose, self._replace, every_seconds=EVERY_SECONDS, metrics=self.metrics
        )

    async def _replace(self, text: str) -> None:
        promised = list(self.election.promised)
        assert not self.busy, "two bodies may come in any order"
        self.busy = True
        await self.disk.wait()
        self.busy = False
        if self.failures:
            raise self.failures.pop()
        self.written.append((asyncio.get_running_loop().time(), json.loads(text), promised))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    @property
    def last(self) -> dict[str, Any]:
        return self.written[-1][1]

    def failed(self) -> float:
        found = self.metrics.registry.get_sample_value("leader_sidecar_failures_total", {"kind": "leader_file"})
        return found or 0.0


async def test_a_leader_writes_every_half_promise_and_each_deadline_was_promised_before() -> None:
    bench = Bench()
    async with bench.running():
        bench.election.move(State.LEADING, 5)
        await asyncio.sleep(5 * EVERY_SECONDS + 0.5)
    written = [(at, body) for at, body, _ in bench.written if body["is_leader"]]
    assert len(written) == 6
    for (earlier, _), (later, _) in itertools.pairwise(written):
        assert later - earlier == pytest.approx(EVERY_SECONDS, abs=0.01)
    for at, body, promised in bench.written[1:]:
        until = body["valid_until_boottime_ns"] / 1e9
        assert until == pytest.approx(promised[-1])
        assert until == pytest.approx(at + MAX_PROMISE_SECONDS, abs=0.01)
        assert body["token"] == 5
        assert body["valid_for_ms"] is None, "nobody knows when it is read"


async def test_no_deadline_is_later_than_the_validity() -> None:
    bench = Bench()
    async with bench.running():
        bench.election.valid_until = asyncio.get_running_loop().time() + 0.5
        bench.election.move(State.LEADING, 5)
        await asyncio.sleep(0.1)
        assert bench.last["valid_until_boottime_ns"] <= bench.election.valid_until * 1e9


@pytest.mark.parametrize("state", [State.DRAINING, State.UNCONFIRMED, State.CONNECTING, State.STOPPED])
async def test_a_lead_that_goes_is_written_at_once_and_without_a_deadline(state: State) -> None:
    bench = Bench()
    async with bench.running():
        bench.election.move(State.LEADING, 5)
        await asyncio.sleep(0.1)
        bench.election.move(state)
        await asyncio.sleep(0.001)
        assert (bench.last["is_leader"], bench.last["state"]) == (False, state)
        assert bench.last["valid_until_boottime_ns"] is None


async def test_a_follower_writes_at_a_change_only() -> None:
    bench = Bench()
    async with bench.running():
        bench.election.move(State.WAITING)
        await asyncio.sleep(100)
    assert [body["state"] for _, body, _ in bench.written] == ["connecting", "waiting"]


async def test_a_write_that_fails_is_counted_and_tried_again_though_nothing_changes() -> None:
    bench = Bench()
    bench.failures = [OSError(28, "No space left on device"), OSError(28, "No space left on device")]
    async with bench.running():
        await asyncio.sleep(2 * EVERY_SECONDS + 0.1)
        assert bench.failed() == 2
        assert bench.last["state"] == "connecting"
        await asyncio.sleep(100)
    assert len(bench.written) == 1


async def test_what_is_said_at_the_end_is_written_after_what_was_under_way() -> None:
    bench = Bench()
    async with bench.running():
        bench.disk.clear()
        bench.election.move(State.LEADING, 5)
        await asyncio.sleep(0.1)
        bench.election.move(State.DRAINING)
        last_word = asyncio.create_task(bench.keeper.say())
        await asyncio.sleep(0.1)
        bench.disk.set()
        await last_word
        assert [body["state"] for _, body, _ in bench.written[1:3]] == ["leading", "draining"]
