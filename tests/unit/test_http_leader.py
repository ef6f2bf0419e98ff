import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.responses import Response

from sidecar.http.held import Held
from sidecar.http.leader import HEARTBEAT_SECONDS, Events, answer_on_change
from tests.support.http import FOLLOWING, LEADING, NOW, FakeElection

pytestmark = pytest.mark.looptime


class Client:
    """The other end of one request: what it was sent, and its leaving."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self.reading = asyncio.Event()
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
async def watching(election: FakeElection, held: Held) -> AsyncIterator[Client]:
    client = Client()
    stream = Events(election, held)({"type": "http", "method": "GET"}, client.receive, client.send)
    task = asyncio.create_task(stream)
    try:
        await asyncio.sleep(0.01)
        yield client
    finally:
        client.left.set()
        client.reading.set()
        await task


async def poll(election: FakeElection, held: Held, client: Client, **asked: Any) -> Response:
    return await answer_on_change(election, held, client.receive, **asked)


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_the_stream_tells_the_state_at_once_then_each_change_then_heartbeats(election: FakeElection) -> None:
    async with watching(election, Held(10)) as client:
        assert client.events == ["event: state"]
        election.show(FOLLOWING)
        await asyncio.sleep(0.01)
        assert client.events == ["event: state"] * 2
        await asyncio.sleep(2 * HEARTBEAT_SECONDS + 0.1)
        assert client.events == ["event: state"] * 2 + ["event: heartbeat"] * 2
    assert client.ended
    assert HEARTBEAT_SECONDS < 5


async def test_events_carry_the_version_and_a_promised_absolute_deadline(election: FakeElection) -> None:
    async with watching(election, Held(10)) as client:
        text = client.sent[1]["body"].decode()
    assert text.startswith("event: state\nid: i.1\ndata: {")
    assert text.endswith("}\n\n")
    assert '"valid_for_ms": null, "valid_until_boottime_ns": 1002000000000' in text
    assert election.promised == [NOW + 2.0]


async def test_head_of_the_stream_ends_at_once_and_promises_nothing(election: FakeElection) -> None:
    client = Client()
    await Events(election, Held(10))({"type": "http", "method": "HEAD"}, client.receive, client.send)
    assert client.ended
    assert dict(client.sent[0]["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert election.promised == []


async def test_a_reader_that_fell_behind_gets_only_the_latest_state(election: FakeElection) -> None:
    async with watching(election, Held(10)) as client:
        client.reading.clear()
        for view in [FOLLOWING, LEADING] * 50:
            election.show(view)
            await asyncio.sleep(0.01)
        client.reading.set()
        await asyncio.sleep(0.01)
        # the one that was being sent, and the latest
        assert len(client.events) == 3
        assert b"id: i.101\n" in client.sent[-1]["body"]


async def test_a_slow_reader_holds_up_nobody(election: FakeElection) -> None:
    held = Held(10)
    async with watching(election, held) as slow, watching(election, held) as quick:
        slow.reading.clear()
        for view in [FOLLOWING, LEADING] * 5:
            election.show(view)
            await asyncio.sleep(0.01)
        assert len(quick.events) == 11


async def test_one_reader_too_many_ends_the_longest_open_one(election: FakeElection) -> None:
    held = Held(2)
    async with (
        watching(election, held) as first,
        watching(election, held) as second,
        watching(election, held) as third,
    ):
        assert (first.ended, second.ended, third.ended) == (True, False, False)


async def test_closing_ends_streams_and_polls_and_those_that_come_later(election: FakeElection) -> None:
    held = Held(10)
    async with watching(election, held) as client:
        polling = asyncio.create_task(poll(election, held, Client(), since=None, wait_seconds=60))
        await asyncio.sleep(0.01)
        held.close()
        assert (await polling).status_code == 200
        await asyncio.sleep(0.01)
        assert client.ended
    async with watching(election, held) as client:
        assert client.ended
    await poll(election, held, Client(), since=None, wait_seconds=60)
    assert seconds() < 1


async def test_a_long_poll_answers_at_once_when_the_version_is_another(election: FakeElection) -> None:
    answer = await poll(election, Held(10), Client(), since="i.0", wait_seconds=60)
    assert (answer.status_code, seconds()) == (200, 0)


@pytest.mark.parametrize("since", [None, "i.1"])
async def test_a_long_poll_answers_when_the_version_changes(election: FakeElection, since: str | None) -> None:
    polling = asyncio.create_task(poll(election, Held(10), Client(), since=since, wait_seconds=60))
    await asyncio.sleep(7)
    election.show(FOLLOWING)
    answer = await polling
    assert answer.status_code == 503
    assert b'"version": "i.2"' in answer.body
    assert seconds() == pytest.approx(7)


async def test_a_long_poll_answers_when_its_time_is_up_and_counts_no_validity(election: FakeElection) -> None:
    answer = await poll(election, Held(10), Client(), since="i.1", wait_seconds=30)
    assert answer.status_code == 200
    assert seconds() == pytest.approx(30)
    assert b'"valid_for_ms": null, "valid_until_boottime_ns": 1002000000000' in answer.body
    assert "X-Leader-Valid-Ms" not in answer.headers
    assert election.promised == [NOW + 2.0]


async def test_nothing_is_promised_to_a_client_that_left(election: FakeElection) -> None:
    client = Client()
    polling = asyncio.create_task(poll(election, Held(10), client, since="i.1", wait_seconds=60))
    await asyncio.sleep(1)
    client.left.set()
    await polling
    assert seconds() == pytest.approx(1)
    assert election.promised == []


async def test_a_long_poll_that_must_make_room_answers_early_with_the_whole_body(election: FakeElection) -> None:
    held = Held(1)
    first = asyncio.create_task(poll(election, held, Client(), since="i.1", wait_seconds=60))
    await asyncio.sleep(1)
    second = asyncio.create_task(poll(election, held, Client(), since="i.1", wait_seconds=60))
    answer = await first
    assert answer.status_code == 200
    assert seconds() == pytest.approx(1)
    assert b'"version": "i.1"' in answer.body
    held.close()
    await second
