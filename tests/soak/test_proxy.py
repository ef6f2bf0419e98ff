"""The line between a sidecar and etcd does what the soak says of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.soak.proxy import Line, Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(100):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"])
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


async def connect(proxy: Proxy) -> Ends:
    host, port = proxy.urls[0].removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def test_an_open_line_passes_on_what_comes(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_silent_line_delivers_late(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    await proxy.put(Line.SILENT)
    writer.write(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), timeout=0.1)
    await proxy.put(Line.OPEN)
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_cut_line_resets_connections_old_and_new(proxy: Proxy) -> None:
    old, old_writer = await connect(proxy)
    old_writer.write(b"hello")
    await old.readexactly(5)
    await proxy.put(Line.CUT)
    new, new_writer = await connect(proxy)
    for reader in (old, new):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
    for writer in (old_writer, new_writer):
        writer.close()
