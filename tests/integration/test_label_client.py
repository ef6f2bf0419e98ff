"""How the Kubernetes client behaves on a bad network: bounded, with nothing repeated behind our back."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sidecar.errors import KubeUnauthorized, KubeUnavailable
from sidecar.kube import client
from sidecar.kube.access import from_kubeconfig
from sidecar.kube.client import KubePods
from tests.support.kube import eventually, write_kubeconfig

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]

POD = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "labels": {"k": "v"}}}


class Server:
    """Reads requests, records their heads, and leaves the answer to ``answer``."""

    def __init__(self, answer: Answer) -> None:
        self.heads: list[str] = []
        self.answer = answer
        self.port = 0
        self._serving: set[asyncio.Task[object]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
                await reader.readexactly(int(lengths[0].split(":")[1]) if lengths else 0)
                self.heads.append(head)
                await self.answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def reply(writer: asyncio.StreamWriter, status: int, body: object) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    await writer.drain()


def pods_on(server: Server, folder: Path) -> KubePods:
    file = write_kubeconfig(folder / "config", f"http://127.0.0.1:{server.port}", "first")
    return KubePods(from_kubeconfig(file), "ns", "leader-sidecar")


async def patch(pods: KubePods) -> None:
    await pods.patch("a", uid="u", version="1", labels={"k": "v"}, annotations={})


async def never(_head: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(client, "_GRACE_SECONDS", 0.5)


@pytest.mark.usefixtures("quick")
async def test_a_silent_server_is_given_up_and_the_write_is_sent_once(tmp_path: Path) -> None:
    server = Server(never)
    async with server.running():
        pods = pods_on(server, tmp_path)
        start = time.monotonic()
        with pytest.raises(KubeUnavailable):
            await patch(pods)
        assert time.monotonic() - start < 30
        assert len(server.heads) == 1
        pods.close()


@pytest.mark.usefixtures("quick")
async def test_a_trickling_answer_is_given_up_but_stays_in_flight_until_its_thread_returns(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def trickle(_head: str, writer: asyncio.StreamWriter) -> None:
        content = json.dumps(POD).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content) + 1000}\r\n\r\n".encode())
        while not over.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.close()

    server = Server(trickle)
    async with server.running():
        pods = pods_on(server, tmp_path)
        with pytest.raises(KubeUnavailable, match="no answer in time"):
            await pods.read("a", cached=False)
        assert pods.in_flight == 1
        over.set()
        await eventually(lambda: pods.in_flight == 0, "the thread returns")
        pods.close()


@pytest.mark.usefixtures("quick")
async def test_calls_that_never_return_do_not_pile_up(tmp_path: Path) -> None:
    server = Server(never)
    async with server.running():
        pods = pods_on(server, tmp_path)
        calls = [pods.read("a", cached=False) for _ in range(12)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert len(server.heads) == 8
        assert all(isinstance(answer, KubeUnavailable) for answer in answers)
        await eventually(lambda: pods.in_flight == 0, "the threads return")
        pods.close()


async def test_a_refused_connection_is_said_in_a_line_without_the_token(tmp_path: Path) -> None:
    server = Server(never)
    async with server.running():
        pods = pods_on(server, tmp_path)
    with pytest.raises(KubeUnavailable) as caught:
        await pods.read("a", cached=False)
    assert "\n" not in str(caught.value)
    assert "first" not in str(caught.value)
    assert caught.value.__cause__ is not None
    pods.close()


async def test_a_connection_that_breaks_leaves_a_write_in_doubt_and_unrepeated(tmp_path: Path) -> None:
    async def hang_up(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        await asyncio.sleep(0)

    server = Server(hang_up)
    async with server.running():
        pods = pods_on(server, tmp_path)
        with pytest.raises(KubeUnavailable):
            await patch(pods)
        assert len(server.heads) == 1
        pods.close()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_not_asked_again_by_the_library(status: int, tmp_path: Path) -> None:
    async def busy(_head: str, writer: asyncio.StreamWriter) -> None:
        content = b"{}"
        writer.write(f"HTTP/1.1 {status} X\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n".encode() + content)
        await writer.drain()

    server = Server(busy)
    async with server.running():
        pods = pods_on(server, tmp_path)
        with pytest.raises(KubeUnavailable, match=str(status)):
            await pods.read("a", cached=False)
        assert len(server.heads) == 1
        pods.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"metadata": {}}', b'{"metadata": 1}'])
async def test_an_answer_that_is_no_pod_is_no_answer(body: bytes, tmp_path: Path) -> None:
    server = Server(lambda _head, writer: reply(writer, 200, body))
    async with server.running():
        pods = pods_on(server, tmp_path)
        with pytest.raises(KubeUnavailable):
            await pods.read("a", cached=False)
        with pytest.raises(KubeUnavailable):
            await pods.status("a", 5)
        pods.close()


async def test_a_401_is_tried_once_more_with_the_credentials_read_again(tmp_path: Path) -> None:
    async def only_second(head: str, writer: asyncio.StreamWriter) -> None:
        await reply(writer, 200 if "Bearer second" in head else 401, POD if "Bearer second" in head else {})

    server = Server(only_second)
    async with server.running():
        pods = pods_on(server, tmp_path)
        with pytest.raises(KubeUnauthorized):
            await pods.read("a", cached=False)
        assert len(server.heads) == 2
        write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{server.port}", "second")
        assert (await pods.read("a", cached=False)).labels == {"k": "v"}
        assert len(server.heads) == 4
        pods.close()


async def test_requests_ask_for_metadata_alone_and_for_the_cache_only_when_told(tmp_path: Path) -> None:
    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        await reply(writer, 200, {"items": [POD]} if "labelSelector" in head else POD)

    server = Server(answer)
    async with server.running():
        pods = pods_on(server, tmp_path)
        await pods.read("a", cached=True)
        await pods.read("a", cached=False)
        await pods.select("leader-sidecar/e in (leader,electing)", cached=False)
        await patch(pods)
        pods.close()
    lines = [head.splitlines()[0] for head in server.heads]
    assert lines == [
        "GET /api/v1/namespaces/ns/pods/a?resourceVersion=0 HTTP/1.1",
        "GET /api/v1/namespaces/ns/pods/a HTTP/1.1",
        "GET /api/v1/namespaces/ns/pods?labelSelector=leader-sidecar%2Fe+in+%28leader%2Celecting%29 HTTP/1.1",
        "PATCH /api/v1/namespaces/ns/pods/a HTTP/1.1",
    ]
    assert all("as=PartialObjectMetadata" in head for head in server.heads)
    assert "application/merge-patch+json" in server.heads[3]
