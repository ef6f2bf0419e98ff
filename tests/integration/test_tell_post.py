"""One POST of a webhook, against sockets that answer well, badly, late or not at all."""

import asyncio
import contextlib
import http.server
import json
import socket
from collections.abc import AsyncIterator

import pytest

from sidecar.workload.tell.post import MOST_BYTES, Hook, HookError, NobodyListens, post
from tests.support.children import free_ports

BODY = json.dumps({"event": "elected"}).encode()


class Target:
    """A server that reads one request, says what it is told to, and closes; None: it goes on saying nothing."""

    def __init__(self, port: int) -> None:
        self.port, self.requests = port, list[bytes]()
        self.gone = asyncio.Event()

    @property
    def hook(self) -> Hook:
        return Hook(f"http://127.0.0.1:{self.port}/hook?a=b")


@contextlib.asynccontextmanager
async def serving(answer: bytes | None, host: str = "127.0.0.1") -> AsyncIterator[Target]:
    (port,) = free_ports(1)
    target = Target(port)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target.requests.append(head + await reader.readexactly(len(BODY)))
        if answer is None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            target.gone.set()
        else:
            writer.write(answer)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, host, port)
    async with server:
        yield target


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ],
)
async def test_a_2xx_is_an_answer_in_whatever_form_it_comes(answer: bytes) -> None:
    async with serving(answer) as target:
        await post(target.hook, BODY)
        (request,) = target.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{target.port}".encode() in head.lower()
    assert b"content-type: application/json" in head.lower()
    assert body == BODY


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404"),
        (b"", "no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "no answer"),
        (b"SSH-2.0-OpenSSH_9.7\r\n", "no answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MOST_BYTES + 1), "more than"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "no answer"),
    ],
)
async def test_anything_else_is_none(answer: bytes, said: str) -> None:
    async with serving(answer) as target:
        with pytest.raises(HookError, match=said) as failed:
            await post(target.hook, BODY)
    assert not isinstance(failed.value, NobodyListens)


async def test_a_redirect_is_not_followed() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/".encode()
        async with serving(b"HTTP/1.1 307 Away\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n") as target:
            with pytest.raises(HookError, match="redirects are not followed"):
                await post(target.hook, BODY)
        assert elsewhere.requests == []


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as target:
        (closed,) = free_ports(1)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed}")
        monkeypatch.delenv("no_proxy", raising=False)
        await post(target.hook, BODY)
        assert len(target.requests) == 1


async def test_a_port_that_nobody_has_is_told_from_all_other_failures() -> None:
    (port,) = free_ports(1)
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(NobodyListens):
            await post(Hook(f"http://{host}:{port}/"), BODY)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_localhost_is_whichever_loopback_address_the_program_listens_on(host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n", host) as target:
        await post(Hook(f"http://localhost:{target.port}/"), BODY)
        assert len(target.requests) == 1


async def test_a_request_that_is_broken_off_closes_its_connection() -> None:
    async with serving(None) as target:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await post(target.hook, BODY)
        await asyncio.wait_for(target.gone.wait(), 30)


async def test_a_server_of_the_standard_library_is_answered_to_its_last_byte() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 50_000)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        handled = asyncio.create_task(asyncio.to_thread(server.handle_request))
        await post(Hook(f"http://127.0.0.1:{server.server_port}/"), BODY)
        await handled


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False
