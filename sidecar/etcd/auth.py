"""Who we are to etcd: the token, fetched anew when etcd refuses it."""

import asyncio
import logging
import random
from typing import Any

import grpc.aio

from sidecar.clock import Clock
from sidecar.errors import AuthenticationFailed, EtcdUnavailable, SidecarError
from sidecar.etcd.connections import Connections
from sidecar.etcd.failures import Remedy, classify
from sidecar.etcd.protocol import rpc
from sidecar.etcd.settings import EtcdSettings

log = logging.getLogger(__name__)

_SLOWEST_SECONDS = 2.0
"""etcd hashes passwords on purpose slowly, and a crowd that comes at once is served one by one."""


class Tokens:
    """The token of the configured user, if there is one. One authentication at a time, whoever waits for it."""

    def __init__(self, settings: EtcdSettings, connections: Connections, clock: Clock, chance: random.Random) -> None:
        self._user = settings.user
        self._password = settings.password
        self._attempt_seconds = settings.attempt_seconds
        self._connections = connections
        self._clock = clock
        self._chance = chance
        self._token: str | None = None
        self._known = settings.user is None
        self._again = False
        self._task: asyncio.Task[None] | None = None

    async def current(self) -> str | None:
        """The token, None where etcd wants none. Raises ``AuthenticationFailed`` or ``EtcdUnavailable``.

        Whoever stops waiting leaves the authentication running for the next.
        """
        if not self._known:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._authenticate(), name="etcd authentication")
                self._task.add_done_callback(_retrieve)
            await asyncio.shield(self._task)
        return self._token

    def refused(self, token: str | None) -> None:
        """etcd refused ``token``. Raises ``AuthenticationFailed`` when there is no user to authenticate as."""
        if self._user is None:
            raise AuthenticationFailed("etcd wants a user and a password: set --etcd-user and --etcd-password-file")
        if token == self._token and self._known:
            self._known, self._again = False, True

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _authenticate(self) -> None:
        if self._again:
            # tokens end for all candidates at once, and each authentication costs etcd a slow hash
            await self._clock.sleep(self._chance.uniform(0, self._attempt_seconds / 4))
        request = rpc.AuthenticateRequest(name=self._user, password=self._current_password())
        connection = await self._connections.current()
        try:
            async with connection.used(), asyncio.timeout(max(self._attempt_seconds, _SLOWEST_SECONDS)):
                answer: Any = await connection.auth.Authenticate(request, metadata=(("hasleader", "true"),))
        except TimeoutError as error:
            await self._connections.leave(connection, "no answer to an authentication")
            raise EtcdUnavailable("no answer to an authentication in time") from error
        except grpc.aio.AioRpcError as error:
            if "authentication is not enabled" in (error.details() or ""):
                log.warning("etcd wants no user and no password: --etcd-user is not used")
                self._token, self._known = None, True
                return
            failure = classify(error.code(), error.details() or "")
            if failure.remedy is Remedy.NEXT_ENDPOINT:
                await self._connections.leave(connection, str(failure.error))
            raise failure.error from error
        log.debug("authenticated at etcd as %s", self._user)
        self._token, self._known = answer.token, True

    def _current_password(self) -> str:
        if not callable(self._password):
            return self._password or ""
        try:
            return self._password()
        except (SidecarError, OSError, ValueError) as error:
            raise AuthenticationFailed(f"the password cannot be read: {error}") from error


def _retrieve(task: asyncio.Task[None]) -> None:
    """An error that nobody waited for any more is no news: the next request authenticates again."""
    if not task.cancelled():
        task.exception()
