"""This sidecar's member key, put with each claim; without it where etcd's user has no right to it."""

import logging
from collections.abc import Callable

from sidecar.election.member import members_below
from sidecar.errors import PermissionDenied
from sidecar.etcd.port import ClaimAnswer, LockStore

log = logging.getLogger(__name__)


class Membership:
    """``describe`` gives the member key's value whenever there is a claim to be made."""

    def __init__(self, lock: str, identity: str, describe: Callable[[], str]) -> None:
        self._lock, self._identity, self._describe = lock, identity, describe
        self._refused = False

    async def claim(self, store: LockStore, lease_id: int, *, with_queue: bool) -> ClaimAnswer:
        """Raises ``EtcdError``. etcd checks rights before it does anything: what it refused has had no effect."""
        try:
            answer = await store.claim(
                self._lock, lease_id, self._identity, with_queue=with_queue, member=self._describe()
            )
        except PermissionDenied as error:
            answer = await store.claim(self._lock, lease_id, self._identity, with_queue=with_queue)
            self._say(error)
        else:
            self._refused = False
        return answer

    def _say(self, error: PermissionDenied) -> None:
        if not self._refused:
            log.warning(
                "no member key, so no leader can pass this pod over in a transfer: %s: let the etcd user read and write"
                " the keys that begin with %s/",
                error,
                members_below(self._lock),
            )
        self._refused = True
