"""What etcd's members agree on: keys with revisions, leases, and the changes since the last compaction.

Pure and synchronous. Time, members and networks are ``etcd.py``'s.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sidecar.election.queue import LockKey
from sidecar.errors import LeaseNotFound
from sidecar.etcd.port import KeyEvent


@dataclass
class Lease:
    """``expires_at`` is what the leading member believes, in true seconds: etcd keeps it outside of consensus."""

    lease_id: int
    ttl_seconds: int
    expires_at: float
    keys: set[str] = field(default_factory=set)


class Keyspace:
    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.keys: dict[str, LockKey] = {}
        self.leases: dict[int, Lease] = {}
        self.events: list[KeyEvent] = []
        self._fresh: list[KeyEvent] = []

    def snapshot(self) -> "Keyspace":
        return copy.deepcopy(self)

    def below(self, lock: str) -> list[LockKey]:
        """All keys whose name begins with ``lock + "/"``, by create revision."""
        return sorted(
            (key for key in self.keys.values() if key.name.startswith(lock + "/")), key=lambda key: key.create_revision
        )

    def put(self, name: str, lease_id: int, identity: str, *, same_revision: bool = False) -> LockKey:
        """Write a key. Raises ``LeaseNotFound``; a ``lease_id`` of 0 is none. ``same_revision``: the last change's."""
        if lease_id and lease_id not in self.leases:
            raise LeaseNotFound(f"lease {lease_id:x}")
        self.revision += not same_revision
        old = self.keys.get(name)
        if old is None:
            key = LockKey(name, self.revision, self.revision, lease_id, identity)
        else:
            self._detach(old)
            key = replace(old, mod_revision=self.revision, lease_id=lease_id, identity=identity)
        if lease_id:
            self.leases[lease_id].keys.add(name)
        self.keys[name] = key
        self._record(KeyEvent(name, self.revision, key))
        return key

    def delete(self, names: Iterable[str]) -> int:
        """Delete in one transaction, hence one revision. Returns how many there were."""
        present = [name for name in names if name in self.keys]
        if present:
            self.revision += 1
        for name in present:
            self._detach(self.keys.pop(name))
            self._record(KeyEvent(name, self.revision, None))
        return len(present)

    def grant(self, lease_id: int, ttl_seconds: int, expires_at: float) -> Lease:
        self.leases[lease_id] = Lease(lease_id, ttl_seconds, expires_at)
        return self.leases[lease_id]

    def revoke(self, lease_id: int) -> None:
        """End a lease and delete its keys. Raises ``LeaseNotFound``."""
        lease = self.leases.get(lease_id)
        if lease is None:
            raise LeaseNotFound(f"lease {lease_id:x}")
        self.delete(sorted(lease.keys))
        del self.leases[lease_id]

    def compact(self, revision: int) -> None:
        """Forget what happened before ``revision``: nobody can watch from there any more."""
        self.compacted = max(self.compacted, min(revision, self.revision))
        self.events = [event for event in self.events if event.revision >= self.compacted]

    def take_fresh(self) -> list[KeyEvent]:
        """The changes since this was last called."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _record(self, event: KeyEvent) -> None:
        self.events.append(event)
        self._fresh.append(event)

    def _detach(self, key: LockKey) -> None:
        if key.lease_id in self.leases:
            self.leases[key.lease_id].keys.discard(key.name)
