"""The session: one lease, kept alive for all elections of this process (etcd ``client/v3/concurrency/session.go``).

A renewal that succeeds is handed to the listeners, who decide what it is worth. A lease is given up only when etcd
says that it is gone, or when its history is; an outage, however long, is no reason.
"""

import logging
from collections.abc import Callable
from random import Random

from sidecar.clock import Clock
from sidecar.election.events import Renewed, SessionLost, SessionOpened
from sidecar.election.lease import Renewal, attempt_seconds, renew_every_seconds
from sidecar.election.verdict import Reason
from sidecar.elector.alarm import Alarm
from sidecar.errors import AuthenticationFailed, EtcdError, HistoryWentBack, LeaseNotFound
from sidecar.etcd.port import LockStore
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)

SessionEvent = SessionOpened | Renewed | SessionLost

LEAST_GAP_SECONDS = 0.05
"""Between two attempts at a renewal, however often somebody asks for one."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 2.0


class Session:
    """``run`` keeps a lease until cancelled; listeners are called with each ``SessionEvent``, in order.

    ``run`` raises ``AuthenticationFailed`` when etcd refuses the user before there ever was a lease.
    """

    def __init__(self, store: LockStore, *, ttl_seconds: int, clock: Clock, random: Random, metrics: Metrics) -> None:
        self._store, self._clock, self._random, self._metrics = store, clock, random, metrics
        self._ttl_seconds = ttl_seconds
        self._listeners: list[Callable[[SessionEvent], None]] = []
        self._alarm = Alarm(clock)
        self._lease_id: int | None = None
        self._lost: Reason | None = None
        self._renew_now = False
        self._was_open = False
        self._last_error: str | None = None

    def listen(self, listener: Callable[[SessionEvent], None]) -> None:
        self._listeners.append(listener)

    def renew_now(self) -> None:
        """Renew at once, not only when a third of the TTL is over."""
        self._renew_now = True
        self._alarm.ring()

    def drop(self, lease_id: int, reason: Reason) -> None:
        """Forget the lease: it is gone, or of a history that is. A fresh one follows."""
        if lease_id == self._lease_id and self._lost is None:
            self._lost = reason
            self._alarm.ring()

    async def run(self, resumed: Renewal | None = None) -> None:
        """``resumed``: the lease of an earlier run, renewed just now, to begin with."""
        while True:
            renewal, how = (await self._grant(), "granted") if resumed is None else (resumed, "resumed")
            opened, resumed = SessionOpened(renewal, resumed=resumed is not None), None
            self._lease_id, self._lost, self._was_open = renewal.lease_id, None, True
            log.info("lease %s", how, extra={"lease": f"{renewal.lease_id:x}", "ttl_seconds": renewal.ttl_seconds})
            self._tell(opened)
            reason = await self._keep(renewal)
            self._lease_id = None
            log.warning("lease lost", extra={"lease": f"{renewal.lease_id:x}", "reason": reason})
            if reason is Reason.HISTORY:
                self._metrics.history_alarms.inc()
                log.error("etcd's history went back: everything read before counts for nothing")
            self._tell(SessionLost(reason))
            # after an outage all candidates come here at the same time
            await self._clock.sleep(self._random.uniform(0, min(1.0, self._ttl_seconds / 10)))

    async def end(self) -> None:
        """Give the lease back, and every key attached to it. Call when ``run`` has ended. Raises ``EtcdError``."""
        if self._lease_id is not None:
            await self._store.revoke(self._lease_id)

    async def _grant(self) -> Renewal:
        failures = 0
        while True:
            try:
                renewal = await self._store.grant(self._ttl_seconds)
            except EtcdError as error:
                if isinstance(error, AuthenticationFailed) and not self._was_open:
                    raise  # at start it is a setting to be mended; later it is an outage like others
                self._say(error, "cannot get a lease from etcd")
                await self._clock.sleep(self._backoff(failures))
                failures += 1
                continue
            self._last_error = None
            if renewal.ttl_seconds > self._ttl_seconds:
                log.warning(
                    "--ttl: etcd grants more than was asked; its answer rules",
                    extra={"ttl_seconds": self._ttl_seconds, "granted_seconds": renewal.ttl_seconds},
                )
            return renewal

    async def _keep(self, renewal: Renewal) -> Reason:
        """Renew until the lease is lost; say why it was."""
        due, failures = renewal.sent_at + renew_every_seconds(renewal.ttl_seconds), 0
        while True:
            last_attempt_at = self._clock.now()
            while self._lost is None and not self._renew_now and (left := due - self._clock.now()) > 0:
                await self._alarm.sleep(left)
            if self._renew_now and (left := last_attempt_at + LEAST_GAP_SECONDS - self._clock.now()) > 0:
                await self._clock.sleep(left)
            self._renew_now = False
            if self._lost is not None:
                return self._lost
            try:
                answer = await self._store.renew(renewal.lease_id, attempt_seconds(renewal.ttl_seconds))
            except HistoryWentBack:
                return Reason.HISTORY
            except LeaseNotFound:
                return Reason.LEASE_LOST
            except EtcdError as error:
                self._say(error, "cannot renew the lease")
                due, failures = self._clock.now() + self._backoff(failures), failures + 1
                continue
            if answer.ttl_seconds <= 0:
                return Reason.LEASE_LOST
            if self._last_error is not None:
                log.info("the lease is renewed again")
            self._last_error, failures = None, 0
            due = answer.sent_at + renew_every_seconds(answer.ttl_seconds)
            self._tell(Renewed(answer))

    def _backoff(self, failures: int) -> float:
        longest = min(LAST_RETRY_SECONDS, attempt_seconds(self._ttl_seconds))
        return min(longest, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 8)) * self._random.uniform(0.5, 1)

    def _say(self, error: EtcdError, what: str) -> None:
        """Log an error when it begins or changes, not each time it is met."""
        if str(error) != self._last_error:
            log.warning("%s: %s", what, error, extra={"kind": error.kind})
            self._last_error = str(error)

    def _tell(self, event: SessionEvent) -> None:
        for listener in self._listeners:
            listener(event)
