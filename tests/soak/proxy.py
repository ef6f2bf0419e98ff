"""A TCP proxy on loopback between one sidecar and etcd, whose line can be cut, fall silent or turn slow."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from urllib.parse import urlsplit

_CHUNK_BYTES = 65536


class Line(Enum):
    OPEN = "open"
    CUT = "cut"
    """Connections are reset, new ones too."""
    SILENT = "silent"
    """Nothing is refused and nothing gets through; what was sent meanwhile arrives late, when the line opens."""
    SLOW = "slow"
    """Everything arrives ``SLOW_SECONDS`` later."""


SLOW_SECONDS = 0.1


class Proxy:
    """Stands before each of ``targets`` (URLs), at the URL of the same place in ``urls``."""

    def __init__(self, targets: Sequence[str]) -> None:
        self._targets = [_address(url) for url in targets]
        self.urls: list[str] = []
        self._line = Line.OPEN
        self._gate = asyncio.Event()
        self._gate.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        for host, port in self._targets:
            server = await asyncio.start_server(partial(self._accept, host, port), "127.0.0.1", 0)
            self._servers.append(server)
            self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def put(self, line: Line) -> None:
        """The state of the line from now on."""
        self._line = line
        if line is Line.SILENT:
            self._gate.clear()
        else:
            self._gate.set()
        if line is Line.CUT:
            self._reset()

    def _reset(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    def _accept(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # closing it resets the connection
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        task = asyncio.create_task(self._serve(host, port, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._line is not Line.CUT:
                await self._connect(host, port, reader, writer)
        except OSError:
            pass  # etcd is away, or either side hung up: so does the other
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, port)
        pumps = [
            asyncio.create_task(self._pump(reader, there_writer)),
            asyncio.create_task(self._pump(there_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            there_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._gate.wait()
                if self._line is Line.SLOW:
                    await asyncio.sleep(SLOW_SECONDS)
                writer.write(chunk)
                await writer.drain()


class Proxies:
    """Proxies that run in a thread of their own; called from any other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._made: list[Proxy] = []

    def make(self, targets: Sequence[str]) -> Proxy:
        proxy = Proxy(targets)
        self._made.append(proxy)
        asyncio.run_coroutine_threadsafe(proxy.start(), self._loop).result()
        return proxy

    def put(self, proxy: Proxy, line: Line) -> None:
        asyncio.run_coroutine_threadsafe(proxy.put(line), self._loop).result()

    async def stop(self) -> None:
        for proxy in self._made:
            await proxy.stop()


@contextmanager
def proxies() -> Iterator[Proxies]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    running = Proxies(loop)
    try:
        yield running
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
