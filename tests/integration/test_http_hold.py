"""``/leader/hold`` on real sockets: what ends it, and what of ours must not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from sidecar.http import protocol
from sidecar.http.protocol import WorkloadConnection
from sidecar.http.server import HttpServer
from tests.support.http import FOLLOWING, LEADING, FakeElection, FakeHealth, eventually, raw, serving

HOLD = "GET /leader/hold HTTP/1.1\nHost: localhost\n\n"
WATCH = "GET /leader/watch HTTP/1.1\nHost: localhost\n\n"


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@pytest.fixture
async def server(election: FakeElection) -> AsyncIterator[HttpServer]:
    async with serving(election, FakeHealth()) as running:
        yield running


async def held(election: FakeElection) -> None:
    await eventually("it is held", lambda: bool(election.holds))


async def test_a_connection_that_goes_is_a_closing(server: HttpServer, election: FakeElection) -> None:
    async with raw(server.workload.port, HOLD):
        await held(election)
    await eventually("it is closed", lambda: election.holds[0].ended == "closed")


async def test_a_reset_is_a_closing(server: HttpServer, election: FakeElection) -> None:
    async with raw(server.workload.port, HOLD) as client:
        await held(election)
        client.writer.transport.abort()
        await eventually("it is closed", lambda: election.holds[0].ended == "closed")


async def test_a_client_that_ends_its_half_has_closed(server: HttpServer, election: FakeElection) -> None:
    async with raw(server.workload.port, HOLD) as client:
        await held(election)
        client.writer.write_eof()
        await eventually("it is closed", lambda: election.holds[0].ended == "closed")


async def test_newcomers_never_take_the_place_of_a_hold(
    server: HttpServer, election: FakeElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkloadConnection, "most", 4)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(raw(server.workload.port, HOLD))
        await held(election)
        for _ in range(12):
            watcher = await stack.enter_async_context(raw(server.workload.port, WATCH))
            await watcher.until("event: state")
        assert election.holds[0].ended is None


async def test_a_hold_that_is_never_read_is_kept_and_its_closing_noticed(
    server: HttpServer, election: FakeElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", server.workload.port))
        silent.sendall(HOLD.replace("\n", "\r\n").encode())
        await held(election)
        async with raw(server.workload.port, WATCH) as alive:
            for number in range(4000):
                election.show(LEADING)
                if number % 100 == 0:
                    await alive.until(f'"version": "{election.shown.version}"')
                await asyncio.sleep(0)
        await asyncio.sleep(3 * protocol.STALLED_SECONDS)
        assert election.holds[0].ended is None
    await eventually("it is closed", lambda: election.holds[0].ended == "closed")


async def test_when_the_lead_is_over_the_stream_ends_and_the_connection_serves_on(
    server: HttpServer, election: FakeElection
) -> None:
    async with raw(server.workload.port, HOLD) as client:
        await held(election)
        election.show(FOLLOWING)
        assert '"is_leader": false' in await client.until("\r\n0\r\n\r\n")
        assert election.holds[0].ended == "let go"
        await client.send("GET /leader HTTP/1.1\nHost: localhost\n\n")
        assert "503" in await client.until("\r\n")


async def test_a_server_that_stops_closes_no_hold(server: HttpServer, election: FakeElection) -> None:
    async with raw(server.workload.port, HOLD) as client:
        await held(election)
        await server.stop(timeout_seconds=5)
        assert (await client.rest()).endswith("0\r\n\r\n")
    assert election.holds[0].ended == "let go"
