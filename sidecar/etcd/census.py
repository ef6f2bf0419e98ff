"""Asks every member for its version, at the start and after each failover, and warns of those that are too old."""

import asyncio
import logging
from typing import Any

import grpc.aio

from sidecar.errors import EtcdError
from sidecar.etcd.attempts import metadata
from sidecar.etcd.auth import Tokens
from sidecar.etcd.connections import Connections
from sidecar.etcd.endpoints import Target, resolve
from sidecar.etcd.protocol import rpc
from sidecar.etcd.version import outdated
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)


class Census:
    """What is known of the members' versions; a member that does not answer keeps the last one it told."""

    def __init__(self, connections: Connections, tokens: Tokens, metrics: Metrics, attempt_seconds: float) -> None:
        self._connections = connections
        self._tokens = tokens
        self._metrics = metrics
        self._attempt_seconds = attempt_seconds
        self._versions: dict[Target, str] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Take the census in the background, unless one is being taken."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._take(), name="etcd versions")
            self._task.add_done_callback(_complain)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _take(self) -> None:
        for endpoint in self._connections.endpoints:
            try:
                targets = [Target(endpoint, address) for address in await resolve(endpoint)]
            except EtcdError as error:
                log.debug("etcd's version is unknown: %s", error)
                continue
            for target in targets:
                await self._visit(target)
        self._metrics.etcd_outdated.set(any(outdated(version) for version in self._versions.values()))

    async def _visit(self, target: Target) -> None:
        connection = self._connections.open(target)
        try:
            async with asyncio.timeout(self._attempt_seconds):
                answer: Any = await connection.maintenance.Status(
                    rpc.StatusRequest(), metadata=metadata(await self._tokens.current())
                )
        except (EtcdError, grpc.aio.AioRpcError, TimeoutError) as error:
            log.debug("etcd's version is unknown at %s: %s", target, error)
            return
        finally:
            await connection.retire()
        if outdated(answer.version) and self._versions.get(target) != answer.version:
            log.warning(
                "etcd %s at %s is too old for the validity promise: its leader revokes leases in use once its disk was"
                " stuck; upgrade to 3.4.31, 3.5.13, 3.6.0 or later, or set --hold-off to the TTL",
                answer.version,
                target,
            )
        self._versions[target] = answer.version


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("asking for etcd's versions failed", exc_info=error)
