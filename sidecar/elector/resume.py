"""Asks etcd whether the place that an earlier run left still stands, and renews its lease."""

import logging
from random import Random

from sidecar.clock import Clock
from sidecar.election.lease import Renewal, attempt_seconds
from sidecar.election.resume import Place, key_is_lost, lease_is_lost
from sidecar.errors import AuthenticationFailed, EtcdError, HistoryWentBack, LeaseNotFound, PermissionDenied
from sidecar.etcd.port import LockStore

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 1.0


async def take_up(place: Place, store: LockStore, clock: Clock, random: Random) -> Renewal | str:
    """The lease, renewed just now, or why it cannot be had. Asks until etcd answers.

    Raises ``AuthenticationFailed`` and ``PermissionDenied``: at a start those are settings to be mended.
    """
    failures, said = 0, ""
    while True:
        try:
            return await _ask(place, store)
        except (AuthenticationFailed, PermissionDenied):
            raise
        except HistoryWentBack as error:
            return str(error)
        except LeaseNotFound:
            return "the lease has ended"
        except EtcdError as error:
            if str(error) != said:
                log.warning("cannot resume yet: %s", error, extra={"kind": error.kind})
                said = str(error)
        backoff = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 8))
        await clock.sleep(backoff * random.uniform(0.5, 1))
        failures += 1


async def _ask(place: Place, store: LockStore) -> Renewal | str:
    renewal = await store.renew(place.lease_id, attempt_seconds(place.granted_seconds))
    lost = lease_is_lost(place, renewal)
    if lost is None:
        _, key = await store.confirm(place.key)
        lost = key_is_lost(place, key)
    return renewal if lost is None else lost
