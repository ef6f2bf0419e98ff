"""The channel in use: one member of etcd at a time, left for the next when it does not serve."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from sidecar.errors import EtcdUnavailable
from sidecar.etcd.endpoints import Rotation, Target, parse_endpoints, resolve
from sidecar.etcd.protocol import stub
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.tls import Credentials, check_schemes, tls_files
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)

CHANNEL_OPTIONS: tuple[tuple[str, str | int], ...] = (
    # a dead peer is noticed by pings; ping_timeout is what makes it quick; etcd punishes pings under 5 s
    ("grpc.keepalive_time_ms", 6000),
    ("grpc.keepalive_timeout_ms", 1500),
    ("grpc.http2.ping_timeout_ms", 1500),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # a new channel must be a new connection, and nothing is repeated behind our back
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # etcd is reached directly, as its own clients do
    ("grpc.enable_http_proxy", 0),
)


class Connection:
    """One channel to one member. Stays open until it has been left *and* nobody uses it any more."""

    def __init__(self, target: Target, channel: grpc.aio.Channel) -> None:
        self.target = target
        self.left = asyncio.Event()
        self.answered = False
        self.kv = stub("KV", channel)
        self.lease = stub("Lease", channel)
        self.watch = stub("Watch", channel)
        self.auth = stub("Auth", channel)
        self.maintenance = stub("Maintenance", channel)
        self._channel = channel
        self._users = 0

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            await self._close_when_idle()

    async def retire(self) -> None:
        """Ends the streams (they wait for ``left``); calls under way run to their own deadlines."""
        self.left.set()
        await self._close_when_idle()

    async def _close_when_idle(self) -> None:
        if self.left.is_set() and not self._users:
            await self._channel.close()


class Connections:
    """Opens the channel to the member whose turn it is, and passes the turn on."""

    def __init__(self, settings: EtcdSettings, metrics: Metrics) -> None:
        """Raises ``SettingError``."""
        endpoints = parse_endpoints(settings.endpoints)
        files = tls_files(settings)
        check_schemes(endpoints, files)
        self.endpoints = endpoints
        self._rotation = Rotation(endpoints)
        self._credentials = Credentials(files) if any(endpoint.secure for endpoint in endpoints) else None
        self._metrics = metrics
        self._current: Connection | None = None
        self._again: Target | None = None
        self._arriving = asyncio.Lock()
        self._complained: set[Target] = set()
        self._closed = False

    @property
    def round_length(self) -> int:
        return self._rotation.round_length

    async def current(self) -> Connection:
        """The connection in use, or a new one to the next target. Raises ``EtcdUnavailable``."""
        async with self._arriving:
            if self._closed:
                raise EtcdUnavailable("the connections are closed")
            if self._credentials is not None and self._credentials.refresh():
                await self.start_over()
            if self._current is None:
                self._current = self.open(await self._next_target())
            return self._current

    def open(self, target: Target) -> Connection:
        """A channel to ``target``; nothing is sent yet."""
        options: list[tuple[str, str | int]] = list(CHANNEL_OPTIONS)
        host = target.endpoint.host
        if target.endpoint.secure and self._credentials is not None:
            # the certificate is the host name's, whichever of its addresses is used
            options.append(("grpc.ssl_target_name_override", host))
            channel = grpc.aio.secure_channel(target.grpc_name, self._credentials.current, options=options)
        else:
            authority = f"[{host}]" if ":" in host else host
            options.append(("grpc.default_authority", f"{authority}:{target.endpoint.port}"))
            channel = grpc.aio.insecure_channel(target.grpc_name, options=options)
        return Connection(target, channel)

    async def leave(self, connection: Connection, why: str) -> None:
        """The next target from now on. Nothing happens if somebody has left this connection already."""
        if connection is not self._current:
            return
        self._current = None
        target = connection.target
        level = logging.DEBUG if target in self._complained else logging.WARNING
        self._complained.add(target)
        log.log(level, "leaving etcd endpoint %s: %s", target, why)
        await connection.retire()

    async def start_over(self) -> None:
        """A new channel to the same target; all streams on the old one end."""
        if self._current is not None:
            connection, self._current = self._current, None
            self._again = connection.target
            await connection.retire()

    def answered(self, connection: Connection) -> bool:
        """Note that a request was served; True the first time on this connection."""
        if connection.answered:
            return False
        connection.answered = True
        self._complained.discard(connection.target)
        self._metrics.endpoint.info({"endpoint": connection.target.endpoint.url, "address": connection.target.address})
        log.info("etcd endpoint in use: %s", connection.target)
        return True

    async def close(self) -> None:
        self._closed = True
        if self._current is not None:
            connection, self._current = self._current, None
            await connection.retire()

    async def _next_target(self) -> Target:
        again, self._again = self._again, None
        target = again or self._rotation.take()
        while target is None:
            endpoint = self._rotation.turn()
            self._rotation.offer(endpoint, await resolve(endpoint))
            target = self._rotation.take()
        return target
