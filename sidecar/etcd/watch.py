"""One watch, one stream. It ends with ``WatchLost``: whoever watches reads again and watches from there."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import grpc.aio

from sidecar.errors import EtcdUnavailable, WatchLost
from sidecar.etcd.attempts import TOKEN, Failed, Metadata
from sidecar.etcd.connections import Connection
from sidecar.etcd.failures import Failure, Remedy, speaks_of_token
from sidecar.etcd.keys import key_of
from sidecar.etcd.port import KeyEvent
from sidecar.etcd.protocol import kv


class WatchStream:
    """An open watch. ``header`` is that of the answer which said so."""

    def __init__(self, connection: Connection, call: Any, uses: AsyncExitStack, *, has_token: bool) -> None:
        self._connection = connection
        self._call = call
        self._uses = uses
        self._has_token = has_token
        self.header: Any = None

    @classmethod
    async def open(cls, connection: Connection, metadata: Metadata, request: Any) -> "WatchStream":
        """Returns once etcd says that it watches. Raises ``WatchLost`` or what an act of ``Attempts`` may raise."""
        uses = AsyncExitStack()
        await uses.enter_async_context(connection.used())
        has_token = any(key == TOKEN for key, _ in metadata)
        stream = cls(connection, connection.watch.Watch(metadata=metadata), uses, has_token=has_token)
        try:
            await stream._begin(request)
        except BaseException:
            await stream.close()
            raise
        return stream

    async def _begin(self, request: Any) -> None:
        try:
            await self._call.write(request)
        except asyncio.InvalidStateError as error:
            raise EtcdUnavailable("the watch stream broke") from error
        answer = await self._call.read()
        if answer is grpc.aio.EOF:
            raise EtcdUnavailable("the watch stream ended before it began")
        if answer.canceled and _perhaps_the_token(answer.cancel_reason, self._has_token):
            raise Failed(Failure(_ended(answer), Remedy.NEW_TOKEN))
        _refuse_end(answer)
        self.header = answer.header

    async def answers(self) -> AsyncGenerator[Any, None]:
        """What etcd sends, until the watch ends. Raises ``WatchLost``."""
        while True:
            answer = await self._read()
            if answer is grpc.aio.EOF:
                raise WatchLost("etcd ended the stream")
            _refuse_end(answer)
            yield answer

    async def _read(self) -> Any:
        reading = asyncio.create_task(self._call.read(), name="etcd watch read")
        leaving = asyncio.create_task(self._connection.left.wait(), name="etcd watch end")
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise WatchLost(f"{self._connection.target} was left")
            return reading.result()
        except grpc.aio.AioRpcError as error:
            raise WatchLost(f"{self._connection.target}: {error.details()} ({error.code().name})") from error
        finally:
            for task in (reading, leaving):
                task.cancel()
            await asyncio.wait((reading, leaving))
            if not reading.cancelled():
                reading.exception()

    async def close(self) -> None:
        self._call.cancel()
        await self._uses.aclose()


def events_of(answer: Any, name: str) -> list[KeyEvent]:
    return [
        KeyEvent(name, event.kv.mod_revision, None if event.type == kv.Event.DELETE else key_of(event.kv, name))
        for event in answer.events
    ]


def _refuse_end(answer: Any) -> None:
    """etcd may refuse in the very answer that says "created"."""
    if answer.canceled or answer.compact_revision:
        raise _ended(answer)


def _ended(answer: Any) -> WatchLost:
    if answer.compact_revision:
        return WatchLost(f"compacted up to revision {answer.compact_revision}")
    return WatchLost(f"etcd cancelled the watch: {answer.cancel_reason or 'no reason given'}")


def _perhaps_the_token(reason: str, has_token: bool) -> bool:
    """Older etcds cancel a watch whose token has ended by "permission denied"."""
    return speaks_of_token(reason) or (has_token and "permission denied" in reason)
