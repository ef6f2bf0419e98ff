"""One attempt at etcd: a deadline, a token, and the next endpoint when this one refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc.aio

from sidecar.errors import EtcdUnavailable
from sidecar.etcd.auth import Tokens
from sidecar.etcd.connections import Connection, Connections
from sidecar.etcd.failures import Failure, Remedy, classify, was_refused_unread

TOKEN = "token"  # noqa: S105 (the name of the metadata that holds it)

Metadata = tuple[tuple[str, str], ...]
Answer = TypeVar("Answer")
Act = Callable[[Connection, Metadata], Awaitable[Answer]]

_REPEATS = {Remedy.NEW_TOKEN: 2, Remedy.SAME_AGAIN: 2}
"""How often one attempt repeats a request at the same endpoint."""
_SAFE_REPEATS = {Remedy.NEW_TOKEN: _REPEATS[Remedy.NEW_TOKEN]}
"""The same for a request that must not take effect twice: a refused token is refused before anything is done."""


def metadata(token: str | None) -> Metadata:
    """What every call and stream carries: a member cut off from its quorum must refuse."""
    leader = ("hasleader", "true")
    return (leader,) if token is None else (leader, (TOKEN, token))


class Failed(Exception):
    """How an act says what helps, where it knows better than gRPC's status."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


class Attempts:
    """Carries one request out.

    Endpoints that refuse are passed over within the attempt, each once; one that is silent ends it. Both are left.
    """

    def __init__(self, connections: Connections, tokens: Tokens, on_reached: Callable[[Connection], None]) -> None:
        self._connections = connections
        self._tokens = tokens
        self._on_reached = on_reached

    async def run(self, act: Act[Answer], timeout_seconds: float, *, once: bool = False) -> Answer:
        """Raises ``EtcdError``. ``act`` is called anew for each try; it may raise gRPC's errors and ``Failed`` too.

        ``once``: it is not repeated where it may have had an effect.
        """
        trying = _Trying()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._try_all(act, trying, once=once)
        except TimeoutError as error:
            why = f"no answer within {timeout_seconds:g} s"
            if trying.connection is None:
                raise EtcdUnavailable(why) from error
            await self._connections.leave(trying.connection, why)
            raise EtcdUnavailable(f"{trying.connection.target}: {why}") from error

    async def _try_all(self, act: Act[Answer], trying: "_Trying", *, once: bool) -> Answer:
        endpoints_tried = 0
        repeats = _SAFE_REPEATS.copy() if once else _REPEATS.copy()
        while True:
            token = trying.connection = None
            try:
                token = await self._tokens.current()
                trying.connection = await self._connections.current()
                return await self._try_one(act, trying.connection, token)
            except Failed as failed:
                failure = failed.failure
            except EtcdUnavailable as error:
                failure = Failure(error, Remedy.NEXT_ENDPOINT)
            if repeats.get(failure.remedy):
                repeats[failure.remedy] -= 1
                if failure.remedy is Remedy.NEW_TOKEN:
                    self._tokens.refused(token)
                continue
            if failure.remedy not in (Remedy.NEXT_ENDPOINT, Remedy.SAME_AGAIN):
                raise failure.error
            if trying.connection is not None:
                await self._connections.leave(trying.connection, str(failure.error))
                if once and not was_refused_unread(str(failure.error)):
                    raise failure.error
            endpoints_tried += 1
            if endpoints_tried >= self._connections.round_length:  # names resolved on the way lengthen it
                raise failure.error

    async def _try_one(self, act: Act[Answer], connection: Connection, token: str | None) -> Answer:
        async with connection.used():
            try:
                answer = await act(connection, metadata(token))
            except grpc.aio.AioRpcError as error:
                failure = classify(error.code(), error.details() or "")
                failure.error.__cause__ = error
                raise Failed(failure) from error
        self._on_reached(connection)
        return answer


class _Trying:
    """Which connection a request is out on, for the deadline to blame."""

    connection: Connection | None = None
