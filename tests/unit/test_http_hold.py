"""``/leader/hold``: what is told, when it ends, and which ends count as the workload's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sidecar.election.verdict import State
from sidecar.http.app import build_workload_app
from sidecar.http.held import Held
from sidecar.http.hold import HoldEvents
from sidecar.http.leader import HEARTBEAT_SECONDS
from sidecar.metrics import Metrics
from tests.support.http import FOLLOWING, LEADING, NOW, FakeElection, FakeHealth, FixedClock

pytestmark = pytest.mark.looptime

TOKEN = 17
DRAINING = replace(FOLLOWING, state=State.DRAINING, leader=None)
UNCONFIRMED = replace(FOLLOWING, state=State.UNCONFIRMED, leader=None)
LEADING_AGAIN = replace(LEADING, token=TOKEN + 5)


class Client:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left, self.reading = asyncio.Event(), asyncio.Event()
        self.reading.set()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        self.sent.append(message)

    @property
    def events(self) -> list[str]:
        return [message["body"].decode().split("\n")[0] for message in self.sent[1:] if message["body"]]

    @property
    def ended(self) -> bool:
        return self.sent[-1].get("more_body") is False


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@asynccontextmanager
async def holding(election: FakeElection, held: Held) -> AsyncIterator[Client]:
    client = Client()
    stream = HoldEvents(election, held, FixedClock(), TOKEN)
    task = asyncio.create_task(stream({"type": "http", "method": "GET"}, client.receive, client.send))
    try:
        await asyncio.sleep(0.01)
        yield client
    finally:
        client.left.set()
        client.reading.set()
        await task


def app_of(election: FakeElection) -> httpx.AsyncClient:
    app = build_workload_app(election, FakeHealth(), Metrics(), FixedClock(), Held(10))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_a_hold_is_tied_to_the_lead_at_once_and_told_the_state_and_each_change(election: FakeElection) -> None:
    async with holding(election, Held(10)) as client:
        assert [hold.token for hold in election.holds] == [TOKEN]
        assert client.events == ["event: state"]
        election.show(replace(LEADING, at_risk=True))
        await asyncio.sleep(0.01)
        assert client.events == ["event: state"] * 2
        assert election.holds[0].ended is None


async def test_the_next_deadline_comes_when_half_the_time_of_the_last_is_over(election: FakeElection) -> None:
    async with holding(election, Held(10)) as client:
        await asyncio.sleep(3.1)
        assert client.events == ["event: state", *["event: heartbeat"] * 3]
        assert election.promised == [NOW + 2.0] * 4


@pytest.mark.parametrize(("left", "heartbeats"), [(60.0, 2), (0.001, 100)])
async def test_heartbeats_come_neither_rarer_than_promised_nor_without_a_pause(
    left: float, heartbeats: int, election: FakeElection
) -> None:
    election.max_promise_seconds = 60.0
    election.show(replace(LEADING, valid_until=NOW + left))
    async with holding(election, Held(10)) as client:
        await asyncio.sleep(10.05)
        assert len(client.events) == pytest.approx(1 + heartbeats, abs=1)
    assert HEARTBEAT_SECONDS < 5


async def test_a_client_that_goes_has_closed_its_hold(election: FakeElection) -> None:
    async with holding(election, Held(10)) as client:
        client.left.set()
        await asyncio.sleep(0.001)
        assert election.holds[0].ended == "closed"


async def test_a_client_that_goes_is_noticed_while_an_event_cannot_be_sent(election: FakeElection) -> None:
    async with holding(election, Held(10)) as client:
        client.reading.clear()
        await asyncio.sleep(HEARTBEAT_SECONDS + 0.1)
        client.left.set()
        await asyncio.sleep(0.001)
        assert election.holds[0].ended == "closed"


@pytest.mark.parametrize("steps", range(12))
async def test_a_client_that_goes_at_the_moment_of_a_change_has_closed_its_hold(
    steps: int, election: FakeElection
) -> None:
    """Whatever the stream is about to do in that step of the event loop."""
    async with holding(election, Held(10)) as client:
        election.show(LEADING)
        for _ in range(steps):
            await asyncio.sleep(0)
        client.left.set()
        await asyncio.sleep(0.001)
        assert election.holds[0].ended == "closed"


@pytest.mark.parametrize("view", [DRAINING, UNCONFIRMED])
async def test_a_lead_given_up_or_in_doubt_is_told_and_the_hold_stays_open(view: Any, election: FakeElection) -> None:
    async with holding(election, Held(10)) as client:
        election.show(view)
        await asyncio.sleep(0.01)
        assert client.events == ["event: state"] * 2
        assert (client.ended, election.holds[0].ended) == (False, None)
        client.left.set()
        await asyncio.sleep(0.001)
        assert election.holds[0].ended == "closed"


@pytest.mark.parametrize(("view", "told"), [(FOLLOWING, 2), (LEADING_AGAIN, 1)])
async def test_a_hold_ends_with_its_leadership_and_its_closing_means_nothing_then(
    view: Any, told: int, election: FakeElection
) -> None:
    async with holding(election, Held(10)) as client:
        election.show(view)
        await asyncio.sleep(0.01)
        assert client.events == ["event: state"] * told
        assert (client.ended, election.holds[0].ended) == (True, "let go")


async def test_a_hold_never_makes_room_and_ends_with_the_server_which_is_no_closing(election: FakeElection) -> None:
    held = Held(1)
    async with holding(election, held) as first, holding(election, held) as second:
        assert (first.ended, second.ended) == (False, False)
        held.close()
        await asyncio.sleep(0.01)
        assert [hold.ended for hold in election.holds] == ["let go", "let go"]


async def test_who_does_not_lead_cannot_be_held(election: FakeElection) -> None:
    election.show(FOLLOWING)
    async with app_of(election) as workload:
        for method in ("GET", "HEAD"):
            assert (await workload.request(method, "/leader/hold")).status_code == 409
    assert election.holds == []


async def test_one_hold_too_many_is_refused(election: FakeElection) -> None:
    election.full = True
    async with app_of(election) as workload:
        answer = await workload.get("/leader/hold")
    assert (answer.status_code, answer.headers["Content-Type"]) == (429, "application/problem+json")


async def test_head_holds_nothing(election: FakeElection) -> None:
    async with app_of(election) as workload:
        answer = await workload.head("/leader/hold")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert [hold.ended for hold in election.holds] == ["let go"]
    assert election.promised == []
