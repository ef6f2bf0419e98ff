"""One plain etcd write, on the gRPC stack that the sidecar itself uses."""

import asyncio
import time
from typing import Any, Self

import grpc.aio

from sidecar.etcd.protocol import rpc, stub


class Writer:
    """A context manager; plain etcd without TLS only."""

    def __init__(self, url: str) -> None:
        self._target = url.removeprefix("http://")
        self._runner = asyncio.Runner()
        self._channel: Any = None
        self._stub: Any = None

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        self.measure_ms()  # the first one opens the connection
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._channel.close())
        self._runner.close()

    def measure_ms(self) -> float:
        return self._runner.run(self._put())

    async def _open(self) -> None:
        self._channel = grpc.aio.insecure_channel(self._target)
        self._stub = stub("KV", self._channel)

    async def _put(self) -> float:
        sent = time.monotonic()
        await self._stub.Put(rpc.PutRequest(key=b"bench.write", value=b"x"), timeout=10)
        return (time.monotonic() - sent) * 1000
