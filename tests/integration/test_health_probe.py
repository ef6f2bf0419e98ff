"""One question of ``--health-check``, on real sockets: what counts as an answer, and what is said of the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sidecar.settings.health import parse_target
from sidecar.workload.health.probe import ask
from tests.support.children import free_ports

PATIENCE_SECONDS = 10.0

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def answering(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server of that kind; its port."""
    over, serving = asyncio.Event(), set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await answer(reader, writer)
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in serving if task is not None))


def saying(text: str) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text.encode())
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        ("HTTP/1.0 204 No Content\r\n\r\n", None),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", None),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "it answers 404"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "it answers 503"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP"),
        ("HTTP/1.1 x\r\n\r\n", "the answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\n" + "X: " + "y" * 200_000 + "\r\n\r\n", "the answer is not HTTP"),
    ],
)
async def test_an_answer_below_400_is_healthy(text: str, wrong: str | None) -> None:
    async with answering(saying(text)) as port:
        assert await ask(parse_target(f"http://localhost:{port}/healthz"), PATIENCE_SECONDS) == wrong


async def test_the_path_and_query_are_asked_for_as_they_were_given() -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with answering(note) as port:
        await ask(parse_target(f"http://localhost:{port}/a%20b?c=d"), PATIENCE_SECONDS)
        head = asked[0].decode()
    assert head.startswith("GET /a%20b?c=d HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{port}\r\n" in head


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("scheme", ["http", "tcp"])
async def test_localhost_is_either_loopback_address(host: str, scheme: str) -> None:
    async with answering(saying("HTTP/1.1 200 OK\r\n\r\n"), host) as port:
        assert await ask(parse_target(f"{scheme}://localhost:{port}"), PATIENCE_SECONDS) is None


@pytest.mark.parametrize("scheme", ["http", "tcp"])
async def test_a_port_that_nobody_listens_on_is_not_healthy(scheme: str) -> None:
    (port,) = free_ports(1)
    assert await ask(parse_target(f"{scheme}://localhost:{port}"), PATIENCE_SECONDS) is not None


async def test_an_answer_that_does_not_come_is_waited_for_so_long_and_no_longer() -> None:
    async with answering(saying("HTTP/1.1 200 OK\r\n")) as port:
        assert await ask(parse_target(f"http://localhost:{port}"), 0.2) == "no answer within 0.2 s"


async def test_a_server_that_hangs_up_is_not_healthy() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with answering(hang_up) as port:
        assert await ask(parse_target(f"http://localhost:{port}"), PATIENCE_SECONDS) is not None
