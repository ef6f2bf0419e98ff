"""What the webhooks are sent, when, and what their answers mean for the drain. Fake time, no sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.election.verdict import State
from sidecar.metrics import Metrics
from sidecar.workload.tell.hooks import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, Hooks
from sidecar.workload.tell.news import What
from sidecar.workload.tell.post import Hook, HookError, NobodyListens
from tests.support.telling import MAX_PROMISE_SECONDS, ToldElection, compose

pytestmark = pytest.mark.looptime

ANSWER_SECONDS = 9.0


class Bench:
    """Webhooks, and what arrived at them. ``answers`` are raised by the next requests in order, None for a 2xx.

    Requests to a path in ``hanging`` wait for ``answer``.
    """

    def __init__(self, *whats: What) -> None:
        self.election, self.metrics = ToldElection(), Metrics()
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.answers: list[HookError | None] = []
        self.hanging: set[str] = set()
        self.answer = asyncio.Event()
        self.broken_off: list[str] = []
        hooks = {what: Hook(f"http://localhost:1/{what}") for what in whats or What}
        self.hooks = Hooks(
            self.election, compose, hooks, self._post, answer_seconds=ANSWER_SECONDS, metrics=self.metrics
        )
        self.election.listen(self.hooks.note)

    async def _post(self, hook: Hook, body: bytes) -> None:
        self.sent.append((asyncio.get_running_loop().time(), json.loads(body)))
        assert hook.target == "/" + self.sent[-1][1]["event"]
        if hook.target in self.hanging:
            try:
                await self.answer.wait()
            except asyncio.CancelledError:
                self.broken_off.append(hook.target)
                raise
        if self.answers and (error := self.answers.pop(0)):
            raise error

    @contextlib.asynccontextmanager
    async def running(self, *, lead: bool = True) -> AsyncIterator[None]:
        task = asyncio.create_task(self.hooks.run())
        try:
            if lead:
                await self.move(State.LEADING, 5)
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def move(self, state: State, token: int | None = None) -> None:
        self.election.move(state, token)
        await asyncio.sleep(0.01)

    def events(self) -> list[tuple[str, int | None]]:
        return [(body["event"], body["token"]) for _, body in self.sent]

    def failed(self, kind: str) -> float:
        found = self.metrics.registry.get_sample_value("leader_sidecar_failures_total", {"kind": kind})
        return found or 0.0


def now() -> float:
    return asyncio.get_running_loop().time()


# === Winning


async def test_a_winner_is_told_with_token_and_a_deadline_that_was_promised() -> None:
    bench = Bench()
    async with bench.running():
        assert bench.events() == [("elected", 5)]
        body = bench.sent[0][1]
        assert body["is_leader"] is True
        assert body["valid_until_boottime_ns"] == int(bench.election.promised[0] * 1e9)
        assert body["valid_for_ms"] is None


async def test_it_is_told_again_until_it_is_answered_less_and_less_often_each_time_with_a_new_deadline() -> None:
    bench = Bench()
    refused, bad = NobodyListens("nobody"), HookError("answered 503")
    bench.answers = [refused, refused, bad, bad, bad, bad, bad, None]
    async with bench.running():
        await asyncio.sleep(60)
    pauses = [later[0] - earlier[0] for earlier, later in zip(bench.sent, bench.sent[1:], strict=False)]
    expected = [min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**n) for n in range(7)]
    assert pauses == pytest.approx(expected, abs=0.01)
    for at, body in bench.sent:
        assert body["valid_until_boottime_ns"] / 1e9 == pytest.approx(at + MAX_PROMISE_SECONDS, abs=0.01)
    assert bench.failed("on_elected") == 7


async def test_a_hook_that_hangs_is_asked_anew_when_its_time_is_up() -> None:
    bench = Bench()
    bench.hanging = {"/elected"}
    async with bench.running():
        await asyncio.sleep(ANSWER_SECONDS + 1)
        assert bench.events() == [("elected", 5), ("elected", 5)]
        assert bench.failed("on_elected") == 1


# === Losing


async def test_the_end_of_a_lead_is_told_with_its_token_and_the_answer_is_the_workloads_finish() -> None:
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(1)
        bench.hanging = {"/lost"}
        bench.election.move(State.DRAINING)
        finish = asyncio.create_task(bench.hooks.finish())
        await asyncio.sleep(3)
        assert not finish.done()
        assert bench.events() == [("elected", 5), ("lost", 5)]
        assert (bench.sent[1][1]["is_leader"], bench.sent[1][1]["state"]) == (False, "draining")
        assert bench.sent[1][1]["valid_until_boottime_ns"] is None
        bench.answer.set()
        assert await finish is True


async def test_when_nobody_listens_any_more_the_workload_has_finished() -> None:
    bench = Bench()
    async with bench.running():
        bench.answers = [HookError("the connection was closed"), NobodyListens("nobody")]
        bench.election.move(State.DRAINING)
        assert await bench.hooks.finish() is True
    assert bench.failed("on_lost") == 1


async def test_a_hook_that_hangs_holds_the_drain_up_to_its_bound_and_no_longer() -> None:
    bench = Bench()
    async with bench.running():
        bench.hanging = {"/lost"}
        began = now()
        bench.election.move(State.DRAINING)
        assert await bench.hooks.finish() is False
        assert now() - began == pytest.approx(ANSWER_SECONDS, abs=0.01)
    assert bench.failed("on_lost") == 1


async def test_a_hook_that_fails_is_asked_again_up_to_the_same_bound() -> None:
    bench = Bench()
    async with bench.running():
        bench.answers = [HookError("answered 500")] * 100
        began = now()
        bench.election.move(State.DRAINING)
        assert await bench.hooks.finish() is False
        assert now() - began == pytest.approx(ANSWER_SECONDS, abs=0.01)
        tried = len(bench.sent)
        assert tried > 5
        await asyncio.sleep(100)
        assert len(bench.sent) == tried


async def test_a_lease_that_is_lost_during_the_drain_ends_the_waiting() -> None:
    bench = Bench()
    async with bench.running():
        bench.hanging = {"/lost"}
        bench.election.move(State.DRAINING)
        finish = asyncio.create_task(bench.hooks.finish())
        await bench.move(State.CONNECTING)
        assert finish.done()
        assert finish.result() is False


async def test_without_on_lost_nobody_speaks_for_the_workload() -> None:
    bench = Bench(What.ELECTED)
    async with bench.running():
        bench.election.move(State.DRAINING)
        assert await bench.hooks.finish() is None
    assert bench.events() == [("elected", 5)]


async def test_an_answer_to_an_earlier_end_is_no_finish_of_a_later_lead() -> None:
    bench = Bench()
    async with bench.running():
        await bench.move(State.UNCONFIRMED)
        await bench.move(State.LEADING, 5)
        bench.hanging = {"/lost"}
        bench.election.move(State.DRAINING)
        assert await bench.hooks.finish() is False


async def test_an_unclean_loss_is_told_at_once_and_waited_for_by_the_drain_that_may_follow() -> None:
    bench = Bench()
    async with bench.running():
        bench.hanging = {"/lost"}
        await bench.move(State.UNCONFIRMED)
        assert bench.events()[-1] == ("lost", 5)
        bench.election.move(State.DRAINING)
        finish = asyncio.create_task(bench.hooks.finish())
        await asyncio.sleep(1)
        bench.answer.set()
        assert await finish is True
    assert bench.events() == [("elected", 5), ("lost", 5)]


# === The order


async def test_a_lead_that_goes_before_its_hook_has_answered_is_told_at_once_and_its_beginning_no_more() -> None:
    bench = Bench()
    bench.hanging = {"/elected"}
    async with bench.running():
        await bench.move(State.DRAINING)
        assert bench.broken_off == ["/elected"]
        await asyncio.sleep(100)
    assert bench.events() == [("elected", 5), ("lost", 5)]


async def test_a_beginning_that_waits_to_be_told_again_is_dropped_when_the_lead_goes() -> None:
    bench = Bench()
    bench.answers = [HookError("answered 500")] * 6
    async with bench.running():
        await asyncio.sleep(3.5)
        bench.answers.clear()
        at = now()
        await bench.move(State.CONNECTING)
        assert bench.sent[-1][0] - at < 0.005
        await asyncio.sleep(100)
    assert [event for event, _ in bench.events()][-2:] == ["elected", "lost"]


async def test_the_next_beginning_waits_for_a_request_that_tells_of_an_end_but_not_for_its_repetition() -> None:
    bench = Bench()
    async with bench.running():
        bench.hanging = {"/lost"}
        await bench.move(State.CONNECTING)
        await bench.move(State.LEADING, 9)
        await asyncio.sleep(1)
        assert bench.events() == [("elected", 5), ("lost", 5)]
        bench.answers = [HookError("answered 500")]
        bench.answer.set()
        await asyncio.sleep(0.01)
        assert bench.events()[2:] == [("elected", 9)]


async def test_an_end_cuts_off_the_telling_of_an_earlier_end() -> None:
    bench = Bench()
    async with bench.running():
        bench.hanging = {"/lost"}
        await bench.move(State.CONNECTING)
        await bench.move(State.LEADING, 9)
        bench.hanging.clear()
        await bench.move(State.DRAINING)
        assert bench.events() == [("elected", 5), ("lost", 5), ("lost", 9)]


async def test_a_lead_that_is_regained_is_told_again_with_the_same_token() -> None:
    bench = Bench()
    async with bench.running():
        await bench.move(State.UNCONFIRMED)
        await bench.move(State.LEADING, 5)
    assert bench.events() == [("elected", 5), ("lost", 5), ("elected", 5)]


async def test_a_run_that_finds_another_leading_tells_so_once() -> None:
    bench = Bench()
    async with bench.running(lead=False):
        await bench.move(State.WAITING)
        await bench.move(State.CONNECTING)
        await bench.move(State.WAITING)
    assert bench.events() == [("lost", None)]


async def test_a_run_that_leads_at_once_tells_of_no_end_before() -> None:
    bench = Bench()
    bench.election.leader = None
    async with bench.running(lead=False):
        await bench.move(State.WAITING)
        await bench.move(State.LEADING, 5)
        await bench.move(State.CONNECTING)
        bench.election.leader = "web-1"
        await bench.move(State.WAITING)
    assert bench.events() == [("elected", 5), ("lost", 5)]
