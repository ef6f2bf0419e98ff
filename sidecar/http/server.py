"""The two listeners, from binding their ports to the last answer."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from sidecar.clock import Clock
from sidecar.http.address import Address, parse_address
from sidecar.http.app import build_pod_app, build_workload_app
from sidecar.http.held import MOST_HELD, Held
from sidecar.http.port import Election, Health
from sidecar.http.protocol import Connection, PodConnection, WorkloadConnection
from sidecar.http.sockets import BACKLOG, open_sockets
from sidecar.metrics import Metrics

KEEP_ALIVE_SECONDS = 75
"""Longer than workloads leave between two polls and Prometheus between two scrapes: a connection that is closed just as
it is used again is an error to its client."""


class HttpServer:
    """Both listeners. ``listen`` and ``probe_listen`` are the settings of that name (``SettingError`` if malformed)."""

    def __init__(
        self, listen: str, probe_listen: str, election: Election, health: Health, metrics: Metrics, clock: Clock
    ) -> None:
        self._held = Held(MOST_HELD)
        self.workload = Listener(
            parse_address("--listen", listen),
            build_workload_app(election, health, metrics, clock, self._held),
            WorkloadConnection,
        )
        self.pod = Listener(
            parse_address("--probe-listen", probe_listen), build_pod_app(election, health, metrics), PodConnection
        )

    def bind(self) -> None:
        """Open both ports. Raises ``SettingError`` (exit code 71), and has then opened none."""
        self.workload.bind()
        try:
            self.pod.bind()
        except BaseException:
            self.workload.close()
            raise

    async def serve(self) -> None:
        """Answer until ``stop``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.workload.serve(), name="http-workload")
            group.create_task(self.pod.serve(), name="http-pod")

    async def stop(self, timeout_seconds: float) -> None:
        """Take no more connections, end streams and long polls, let short requests finish; drop what is left then."""
        self._held.close()
        await asyncio.gather(self.workload.stop(timeout_seconds), self.pod.stop(timeout_seconds))


class Listener:
    def __init__(self, address: Address, app: ASGIApp, connection: type[Connection]) -> None:
        self._address = address
        self._sockets: list[socket.socket] = []
        self._server = _Server(
            uvicorn.Config(
                app,
                http=connection,
                ws="none",
                lifespan="off",
                workers=1,  # left out, it is read from WEB_CONCURRENCY
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                access_log=False,
                log_config=None,
                # Below ERROR it speaks of what strangers send.
                log_level=logging.ERROR,
            )
        )
        self._serving = False
        self._ended = asyncio.Event()

    @property
    def port(self) -> int:
        """The port in use, also where any free one was asked for. Only once bound."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    def bind(self) -> None:
        self._sockets = open_sockets(self._address)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()

    async def serve(self) -> None:
        self._serving = True
        try:
            await self._server.serve(self._sockets)
        finally:
            await self._server.abandon()
            self.close()
            self._ended.set()

    async def stop(self, timeout_seconds: float) -> None:
        self._server.ask_to_stop(timeout_seconds)
        if self._serving:
            await self._ended.wait()
        else:
            self.close()


class _Server(uvicorn.Server):
    """uvicorn's server without signal handlers (the service has its own) and without ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop_asked = asyncio.Event()
        self._grace_seconds = 0.0

    def ask_to_stop(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._stop_asked.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self._stop_asked.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_seconds
        # uvicorn tells nobody when a connection ends, so this looks again and again
        while (self.server_state.connections or self.server_state.tasks) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def abandon(self) -> None:
        """Leave nothing behind, however serving ended."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        unfinished = list(self.server_state.tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
