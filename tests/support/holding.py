"""A TCP proxy before etcd that holds a request back on its way: from the chunk on in which it stands."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Queue

from tests.soak.proxy import Proxy


class HoldingProxy(Proxy):
    """What comes through with ``marker`` in it stays here, and all that follows it, until ``release``."""

    def __init__(self, target: str, marker: bytes) -> None:
        super().__init__([target])
        self._marker = marker
        self.held = threading.Event()
        self.released = asyncio.Event()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if self._marker in chunk:
                    self.held.set()
                    await self.released.wait()
                writer.write(chunk)
                await writer.drain()


@dataclass
class Holding:
    """The proxy, called from another thread than that in which it runs."""

    proxy: HoldingProxy
    loop: asyncio.AbstractEventLoop
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = self.proxy.urls[0]

    def wait_until_held(self) -> None:
        assert self.proxy.held.wait(30), "what was to be held never came"

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.proxy.released.set)


@contextmanager
def holding(target: str, marker: bytes) -> Iterator[Holding]:
    started: Queue[Holding] = Queue()
    over = threading.Event()

    async def serve() -> None:
        proxy = HoldingProxy(target, marker)
        await proxy.start()
        started.put(Holding(proxy, asyncio.get_running_loop()))
        await asyncio.to_thread(over.wait)
        await proxy.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="holding")
    thread.start()
    try:
        yield started.get(timeout=30)
    finally:
        over.set()
        thread.join()
