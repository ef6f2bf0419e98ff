"""What the contract suite of the lock store asks of the etcd below it: a store under test, and everybody else's hands.

``tests/support/etcd_harness.py`` has it for real etcd, ``tests/simulation/`` for the simulated one. The suite
(``tests/integration/test_store_contract.py``) uses nothing but this and ``sidecar.etcd.port``.
"""

from typing import Protocol

from sidecar.clock import Clock
from sidecar.election.queue import LockKey
from sidecar.etcd.port import LockStore


class StoreHarness(Protocol):
    """One etcd, new to each test as far as its lock name goes.

    Every method returns once its effect shows in a linearizable read. Names and values are str as in the port;
    ``put_bytes`` is for keys that are not UTF-8.
    """

    @property
    def store(self) -> LockStore:
        """The store under test; its attempt deadline is ``attempt_seconds``."""

    @property
    def clock(self) -> Clock:
        """The clock that was given to the store."""

    @property
    def lock(self) -> str:
        """A lock name that no other test uses."""

    @property
    def attempt_seconds(self) -> float: ...

    @property
    def smallest_ttl_seconds(self) -> int:
        """The smallest TTL that etcd grants as asked."""

    def another_store(self) -> LockStore:
        """A second client of the same etcd; the harness closes it."""

    async def put_by_hand(self, name: str, value: str, lease_id: int = 0) -> int:
        """Put a key as an operator would; answers the revision."""

    async def put_bytes(self, name: bytes, value: bytes) -> int: ...

    async def delete_by_hand(self, name: str) -> int:
        """Delete a key as an operator would; answers the revision."""

    async def revoke_by_hand(self, lease_id: int) -> None:
        """Revoke somebody's lease, and with it its keys."""

    async def expire(self, lease_id: int) -> None:
        """Return once the lease, which nobody renews, has run out (TTL, plus etcd's scan)."""

    async def key(self, name: str) -> LockKey | None:
        """What stands there, read past the store under test."""

    async def compact(self) -> int:
        """Compact everything up to the present revision, and answer it."""

    async def drop_connections(self) -> None:
        """Every connection breaks; etcd answers the next one at once."""

    async def silence(self) -> None:
        """etcd stops answering: nothing is refused, nothing gets through, until ``resume``."""

    async def resume(self) -> None: ...

    async def checkpoint(self) -> None:
        """Keep etcd's data as they are now, for ``roll_back``."""

    async def roll_back(self) -> None:
        """etcd is as it was at the checkpoint: the same cluster id, lower revisions. Connections break."""

    async def replace(self) -> None:
        """Another, empty cluster answers in etcd's place: another cluster id. Connections break."""
