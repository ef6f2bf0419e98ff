"""Looks at etcd as a candidate would, for ``leader-sidecar check``: writes nothing but a lease, which it gives back."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc.aio

from sidecar.clock import Clock
from sidecar.errors import AuthenticationFailed, EtcdError, EtcdUnavailable
from sidecar.etcd import keys
from sidecar.etcd.attempts import Attempts, Metadata, metadata
from sidecar.etcd.auth import Tokens
from sidecar.etcd.connections import Connection, Connections
from sidecar.etcd.endpoints import Target, resolve
from sidecar.etcd.failures import classify
from sidecar.etcd.protocol import rpc
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from sidecar.metrics import Metrics

READS = 5
_NEVER = 2**63 - 1
"""No key has this create revision, so a transaction that asks for it writes nothing; etcd asks for the rights first."""


@dataclass(frozen=True, slots=True)
class Member:
    """One address of one endpoint. ``read_seconds``: the slowest of some linearizable reads; None where none worked."""

    where: str
    version: str | None = None
    cluster_id: int | None = None
    read_seconds: float | None = None
    error: EtcdError | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A lease granted, renewed and given back. ``renew_seconds``: the slowest keepalive with the read after it."""

    granted_seconds: float | None = None
    renew_seconds: float | None = None
    error: EtcdError | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """``rights``: what stands against reading and writing below each prefix. ``names``: who stands in the queue."""

    members: tuple[Member, ...]
    user: AuthenticationFailed | None
    session: Session
    rights: dict[str, EtcdError | None]
    names: tuple[str, ...]


async def survey(
    settings: EtcdSettings, *, lock: str, other_prefixes: tuple[str, ...], ttl_seconds: int, clock: Clock
) -> Survey:
    """Raises ``SettingError`` for certificates that cannot be used; whatever etcd says is a fact, not an error."""
    surveyor = _Surveyor(settings, clock)
    try:
        user = await surveyor.authenticate()
        members = await surveyor.members(lock)
        if user is not None:
            return Survey(members, user, Session(error=user), {}, ())
        session = await surveyor.session(lock, ttl_seconds)
        rights = {prefix: await surveyor.may_write(prefix) for prefix in (lock, *other_prefixes)}
        return Survey(members, None, session, rights, await surveyor.names(lock))
    finally:
        await surveyor.close()


class _Surveyor:
    def __init__(self, settings: EtcdSettings, clock: Clock) -> None:
        metrics = Metrics()
        self._clock = clock
        self._attempt_seconds = settings.attempt_seconds
        self._connections = Connections(settings, metrics)
        self._tokens = Tokens(settings, self._connections, clock, Random())  # noqa: S311 (jitter)
        self._attempts = Attempts(self._connections, self._tokens, lambda _: None)
        self._store = EtcdStore(settings, clock, metrics)

    async def close(self) -> None:
        await self._store.close()
        await self._tokens.close()
        await self._connections.close()

    async def authenticate(self) -> AuthenticationFailed | None:
        """Whether etcd refuses the user. Silence of etcd is no refusal; the members tell of that."""
        try:
            await self._tokens.current()
        except AuthenticationFailed as error:
            return error
        except EtcdError:
            pass
        return None

    async def members(self, lock: str) -> tuple[Member, ...]:
        found: list[Member] = []
        for endpoint in self._connections.endpoints:
            try:
                addresses = await resolve(endpoint)
            except EtcdUnavailable as error:
                found.append(Member(endpoint.url, error=error))
                continue
            found += [await self._visit(Target(endpoint, address), lock) for address in addresses]
        return tuple(found)

    async def session(self, lock: str, ttl_seconds: int) -> Session:
        try:
            granted = await self._store.grant(ttl_seconds)
        except EtcdError as error:
            return Session(error=error)
        slowest, failed = None, None
        try:
            for _ in range(READS):
                begun = self._clock.now()
                await self._store.renew(granted.lease_id, self._attempt_seconds)
                await self._store.confirm(f"{lock}/{granted.lease_id:x}")
                slowest = max(slowest or 0.0, self._clock.now() - begun)
        except EtcdError as error:
            failed = error
        try:
            await self._store.revoke(granted.lease_id)
        except EtcdError as error:  # it ends by itself
            failed = failed or error
        return Session(granted.ttl_seconds, slowest, failed)

    async def may_write(self, prefix: str) -> EtcdError | None:
        """What stands against reading and writing below ``prefix``."""
        name = keys.encoded(f"{prefix.rstrip('/')}/check")
        never = rpc.Compare(key=name, target=rpc.Compare.CREATE, result=rpc.Compare.EQUAL, create_revision=_NEVER)
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=name, value=b"check"))
        look = rpc.RequestOp(request_range=rpc.RangeRequest(key=name))
        request = rpc.TxnRequest(compare=[never], success=[put], failure=[look])

        async def act(connection: Connection, told: Metadata) -> Any:
            return await connection.kv.Txn(request, metadata=told)

        try:
            await self._attempts.run(act, self._attempt_seconds)
        except EtcdError as error:
            return error
        return None

    async def names(self, lock: str) -> tuple[str, ...]:
        try:
            _, found = await self._store.candidates(lock)
        except EtcdError:
            return ()
        return tuple(key.identity for key in found)

    async def _visit(self, target: Target, lock: str) -> Member:
        connection = self._connections.open(target)
        version, cluster_id = None, None
        try:
            try:
                told = metadata(await self._tokens.current())
            except EtcdError:
                told = metadata(None)
            async with asyncio.timeout(self._attempt_seconds):
                status: Any = await connection.maintenance.Status(rpc.StatusRequest(), metadata=told)
            version, cluster_id = status.version, status.header.cluster_id
            read = await self._slowest_read(connection, told, lock)
        except TimeoutError:
            error = EtcdUnavailable(f"no answer within {self._attempt_seconds:g} s")
            return Member(str(target), version, cluster_id, error=error)
        except grpc.aio.AioRpcError as failed:
            failure = classify(failed.code(), failed.details() or "")
            return Member(str(target), version, cluster_id, error=failure.error)
        finally:
            await connection.retire()
        return Member(str(target), version, cluster_id, read)

    async def _slowest_read(self, connection: Connection, told: Metadata, lock: str) -> float:
        slowest = 0.0
        for _ in range(READS):
            begun = self._clock.now()
            async with asyncio.timeout(self._attempt_seconds):
                await connection.kv.Range(keys.one_key(f"{lock}/check"), metadata=told)
            slowest = max(slowest, self._clock.now() - begun)
        return slowest
