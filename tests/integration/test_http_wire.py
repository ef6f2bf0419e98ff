"""What goes over the wire, and what stands in nobody's way."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from sidecar.http import request
from sidecar.http.protocol import PodConnection, WorkloadConnection
from sidecar.http.server import HttpServer
from sidecar.metrics import Metrics
from tests.support.http import LEADING, FakeElection, FakeHealth, FixedClock, raw, serving


class SlowElection(FakeElection):
    """Takes its time to resign."""

    def __init__(self) -> None:
        super().__init__(LEADING)
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def resign(self, *, drain: bool) -> None:
        self.begun.set()
        await self.may_end.wait()
        await super().resign(drain=drain)


@pytest.fixture
def election() -> SlowElection:
    return SlowElection()


@pytest.fixture
async def server(election: SlowElection) -> AsyncIterator[HttpServer]:
    async with serving(election, FakeHealth()) as running:
        yield running


async def exchange(port: int, text: str) -> tuple[str, str]:
    """Head and body of the answer to one request, after which the server closes."""
    async with raw(port, text) as connection:
        head, _, body = (await connection.rest()).partition("\r\n\r\n")
        return head, body


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /leader HTTP/1.0\n", 200),
        ("GET /leader HTTP/1.0\nHost: evil.example\n", 421),
        ("GET /leader HTTP/1.1\nHost: 127.0.0.1:4040\nConnection: close\n", 200),
        ("GET /leader HTTP/1.1\nHost: evil.example\nConnection: close\n", 421),
        ("GET /leader HTTP/1.1\nHost:\nConnection: close\n", 421),
        ("GET /leader HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\nConnection: close\n", 403),
        ("GET http://evil.example/leader HTTP/1.1\nHost: localhost\nConnection: close\n", 404),
        ("GET /leader HTTP/1.1\n", 400),
        ("GET /leader HTTP/1.1\nHost: localhost\nHost: localhost\n", 400),
        ("\x16\x03\x01\n", 400),
        ("GET /leader\n", 400),
        ("GET /%ff%00 HTTP/1.1\nHost: localhost\nConnection: close\n", 404),
        ("POST /resign HTTP/1.1\nHost: localhost\nContent-Length: x\n", 400),
        ("POST /resign HTTP/1.1\nHost: localhost\nContent-Length: 99999999999\nConnection: close\n", 413),
    ],
)
async def test_whatever_is_sent_gets_its_answer(server: HttpServer, head: str, status: int) -> None:
    answer, body = await exchange(server.workload.port, head + "\n")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    if status != 200:
        assert "application/problem+json" in answer
        assert json.loads(body)["status"] == status


async def test_head_leaves_the_connection_usable(server: HttpServer) -> None:
    async with raw(server.workload.port, "HEAD /leader HTTP/1.1\nHost: localhost\n\n") as connection:
        assert "x-leader-valid-ms: 2000" in await connection.until("\r\n\r\n")
        await connection.send("GET / HTTP/1.1\nHost: localhost\n\n")
        assert (await connection.until('{"name": "web-0"}')).startswith("HTTP/1.1 200 OK")


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    server: HttpServer, election: SlowElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "BODY_SECONDS", 0.05)
    text = "POST /resign HTTP/1.1\nHost: localhost\nContent-Length: 2\nContent-Type: application/json\n\n{"
    async with raw(server.workload.port, text) as connection:
        assert (await connection.until("\r\n\r\n")).startswith("HTTP/1.1 408 ")
    assert not election.begun.is_set()


async def test_a_chunked_empty_body_needs_no_type(server: HttpServer, election: SlowElection) -> None:
    election.may_end.set()
    head, _ = await exchange(
        server.workload.port,
        "POST /resign HTTP/1.1\nHost: localhost\nConnection: close\nTransfer-Encoding: chunked\n\n0\n\n",
    )
    assert head.startswith("HTTP/1.1 204 ")


async def test_idle_connections_however_many_keep_no_probe_out(server: HttpServer) -> None:
    async with AsyncExitStack() as stack:
        idle = [
            await stack.enter_async_context(raw(server.pod.port, "GET /hea")) for _ in range(4 * PodConnection.most)
        ]
        async with httpx.AsyncClient() as kubelet:
            for _ in range(5):
                assert (await kubelet.get(f"http://127.0.0.1:{server.pod.port}/healthz")).status_code == 200
        closed = sum(connection.reader.at_eof() or connection.reader.exception() is not None for connection in idle)
        assert closed >= 3 * PodConnection.most
        async with httpx.AsyncClient() as workload:
            assert (await workload.get(f"http://localhost:{server.workload.port}/leader")).status_code == 200


async def test_idle_connections_do_not_end_a_request_that_is_under_way(
    server: HttpServer, election: SlowElection
) -> None:
    async with AsyncExitStack() as stack:
        resigning = await stack.enter_async_context(
            raw(server.workload.port, "POST /resign HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        )
        await election.begun.wait()
        for _ in range(WorkloadConnection.most + 20):
            await stack.enter_async_context(raw(server.workload.port))
        election.may_end.set()
        assert (await resigning.rest()).startswith("HTTP/1.1 204 ")


async def test_signal_handlers_stay_as_they_were_set(election: SlowElection) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with (
        serving(election, FakeHealth()) as server,
        raw(server.workload.port, "GET /leader HTTP/1.0\n\n") as connection,
    ):
        assert "200 OK" in await connection.rest()
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_stop_lets_a_short_request_finish_and_takes_no_new_one(election: SlowElection) -> None:
    async with serving(election, FakeHealth()) as server:
        port = server.workload.port
        async with raw(port, "POST /resign HTTP/1.1\nHost: localhost\n\n") as resigning, raw(port) as idle:
            await election.begun.wait()
            stopping = asyncio.create_task(server.stop(timeout_seconds=10))
            assert await idle.rest() == ""
            with pytest.raises(ConnectionRefusedError):
                async with raw(port):
                    pass
            assert not stopping.done()
            election.may_end.set()
            assert (await resigning.rest()).startswith("HTTP/1.1 204 ")
            await stopping


async def test_stop_drops_what_does_not_finish_in_time(
    election: SlowElection, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(election, FakeHealth()) as server,
        raw(server.workload.port, "POST /resign HTTP/1.1\nHost: localhost\n\n") as resigning,
    ):
        await election.begun.wait()
        await server.stop(timeout_seconds=0.05)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await resigning.until("HTTP/1.1 204 ")
    assert election.resigned == []
    assert "CancelledError" in caplog.text


async def test_a_server_that_is_cancelled_leaves_nothing_open(election: SlowElection) -> None:
    server = HttpServer("localhost:0", ":0", election, FakeHealth(), Metrics(), FixedClock())
    server.bind()
    port = server.workload.port
    task = asyncio.create_task(server.serve())
    async with raw(port, "POST /resign HTTP/1.1\nHost: localhost\n\n") as resigning, raw(port) as idle:
        await election.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for connection in (resigning, idle):
            with suppress(ConnectionError):
                assert "HTTP/1.1 2" not in await connection.rest()
    assert [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    with pytest.raises(ConnectionRefusedError):
        async with raw(port):
            pass
