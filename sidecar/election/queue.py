"""The lock's keys, and the order in which candidates stand: etcd's create-revision queue.

Rule: ``client/v3/concurrency/key.go`` and ``mutex.go`` of etcd. Lock ``N`` has one key for each candidate,
``N/<lowercase hex lease id>``, attached to that lease; the lowest create revision is first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.election.past import NO_PAST, Past

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Header:
    """What etcd says of itself in every answer."""

    cluster_id: int
    member_id: int
    revision: int
    raft_term: int


@dataclass(frozen=True, slots=True)
class LockKey:
    """One key below a lock. ``lease_id`` is the lease it is attached to, 0 for none; ``identity`` is its value."""

    name: str
    create_revision: int
    mod_revision: int
    lease_id: int
    identity: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """What one linearizable read shows of a lock.

    ``first`` is the candidate with the lowest create revision, ``mine`` my own key whatever its revision, ``ahead``
    the nearest candidate before me, ``count`` the number of keys below the lock, ``ignored`` names that no candidate
    can have. ``position`` is mine in the queue, 1 the first; None where the read did not go over the whole queue.
    ``past`` is what was recorded of earlier leaderships; empty where that was not read.
    """

    header: Header
    first: LockKey | None
    mine: LockKey | None
    ahead: LockKey | None
    count: int
    ignored: tuple[str, ...] = ()
    position: int | None = None
    past: Past = NO_PAST


def key_name(lock: str, lease_id: int) -> str:
    """Name of the key by which the holder of ``lease_id`` stands in ``lock``'s queue."""
    return f"{lock}/{lease_id:x}"


def lease_hex(lock: str, name: str) -> str | None:
    """The lease id in a key's name, or None when the key is no candidate's (not lowercase hex)."""
    remainder = name.removeprefix(lock + "/")
    return remainder if remainder and remainder != name and _HEX.issuperset(remainder) else None


def candidate_name(lock: str, key: LockKey) -> str:
    """Who a key stands for: its value, or its lease id where that is empty (Go's Mutex, ``etcdctl lock``)."""
    return key.identity or lease_hex(lock, key.name) or key.name


def in_order(lock: str, keys: Iterable[LockKey]) -> tuple[list[LockKey], tuple[str, ...]]:
    """The candidates in queue order, and the names of the keys that are none."""
    ordered, ignored = [], []
    for key in sorted(keys, key=lambda key: key.create_revision):
        if lease_hex(lock, key.name) is None:
            ignored.append(key.name)
        else:
            ordered.append(key)
    return ordered, tuple(ignored)
