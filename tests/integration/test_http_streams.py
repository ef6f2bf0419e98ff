"""Streams and long polls on real sockets: slow, dead and leaving readers."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from sidecar.http import protocol
from sidecar.http.held import MOST_HELD
from sidecar.http.server import HttpServer
from tests.support.http import FOLLOWING, LEADING, FakeElection, FakeHealth, Raw, eventually, raw, serving

WATCH = "GET /leader/watch HTTP/1.1\nHost: localhost\n\n"


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@pytest.fixture
async def server(election: FakeElection) -> AsyncIterator[HttpServer]:
    async with serving(election, FakeHealth()) as running:
        yield running


def held_open() -> int:
    return sum(task.get_name() == "http-departure" for task in asyncio.all_tasks())


async def next_event(reader: Raw) -> dict[str, Any]:
    text = await reader.until("\n\n\r\n")
    body: dict[str, Any] = json.loads(text.split("data: ")[1])
    return body


async def test_a_reader_sees_the_state_and_each_change(server: HttpServer, election: FakeElection) -> None:
    async with raw(server.workload.port, WATCH) as reader:
        head = await reader.until("\r\n\r\n")
        assert "content-type: text/event-stream" in head
        assert "cache-control: no-store" in head
        assert (await next_event(reader))["is_leader"] is True
        election.show(FOLLOWING)
        assert (await next_event(reader))["is_leader"] is False


async def test_readers_that_never_read_however_many_hold_up_nobody(server: HttpServer, election: FakeElection) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(200):
            await stack.enter_async_context(raw(server.workload.port, WATCH))
        await eventually("the longest open ones make room", lambda: held_open() == MOST_HELD)
        alive = await stack.enter_async_context(raw(server.workload.port, WATCH))
        await next_event(alive)
        async with httpx.AsyncClient(base_url=f"http://localhost:{server.workload.port}") as workload:
            for view, status in ((FOLLOWING, 503), (LEADING, 200)) * 10:
                election.show(view)
                assert (await next_event(alive))["version"] == election.shown.version
                assert (await workload.get("/leader")).status_code == status


async def test_a_reader_that_stalls_is_dropped_and_the_others_miss_nothing_meanwhile(
    server: HttpServer, election: FakeElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as dead:
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        dead.connect(("127.0.0.1", server.workload.port))
        dead.sendall(WATCH.replace("\n", "\r\n").encode())
        await eventually("the dead reader is being served", lambda: held_open() == 1)
        async with raw(server.workload.port, WATCH) as alive:
            await next_event(alive)
            assert held_open() == 2
            for view in [FOLLOWING, LEADING] * 1000:
                election.show(view)
                assert (await next_event(alive))["version"] == election.shown.version
            await eventually("the dead reader is dropped", lambda: held_open() == 1)
            election.show(FOLLOWING)
            assert (await next_event(alive))["version"] == election.shown.version


async def test_a_reader_that_leaves_is_noticed_without_a_change(server: HttpServer) -> None:
    async with raw(server.workload.port, WATCH) as reader:
        await next_event(reader)
        assert held_open() == 1
    await eventually("nothing is held for it", lambda: held_open() == 0, timeout_seconds=3)


async def test_a_long_poll_is_answered_by_the_change(server: HttpServer, election: FakeElection) -> None:
    async with httpx.AsyncClient(base_url=f"http://localhost:{server.workload.port}") as workload:
        version = (await workload.get("/leader")).json()["version"]
        polling = asyncio.create_task(workload.get(f"/leader?wait=50&since={version}", timeout=60))
        await eventually("the poll waits", lambda: held_open() == 1)
        election.show(FOLLOWING)
        answer = await polling
    assert (answer.status_code, answer.json()["valid_for_ms"]) == (503, None)
    assert answer.json()["version"] == election.shown.version


async def test_stop_ends_streams_and_long_polls_well_before_their_time(
    server: HttpServer, election: FakeElection
) -> None:
    poll = f"GET /leader?wait=60&since={election.shown.version} HTTP/1.1\nHost: localhost\n\n"
    async with raw(server.workload.port, WATCH) as reader, raw(server.workload.port, poll) as polling:
        await eventually("both are held", lambda: held_open() == 2)
        async with asyncio.timeout(5):
            await server.stop(timeout_seconds=60)
        assert (await reader.rest()).endswith("0\r\n\r\n")
        assert (await polling.rest()).startswith("HTTP/1.1 200 OK")
