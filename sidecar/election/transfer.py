"""Handing the lead over to a chosen candidate: who it is, and which keys have to go so that its key is the first.

One transaction deletes my key and every key between, and only while all of them and the chosen one's are what a read
showed: whoever joins meanwhile stands behind. A Go program's key is never deleted: one that waits in
``Election.Campaign`` (etcd ``client/v3/concurrency/election.go``) would believe it had won.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sidecar.election.events import Shift
from sidecar.election.queue import LockKey, candidate_name, lease_hex
from sidecar.errors import CannotTransfer, UnknownCandidate

MOST_AT_ONCE = 100
"""Keys between that go with mine in one transaction; etcd takes 128 comparisons and 128 operations."""


def find_heir(lock: str, queue: Sequence[LockKey], mine: str, to: str) -> LockKey:
    """The candidate called ``to``, by its name or else by its lease's hex id; never the key called ``mine``.

    Raises ``UnknownCandidate``, and ``CannotTransfer`` where several are called so, or none but me.
    """
    others = [key for key in queue if key.name != mine]
    found = [key for key in others if candidate_name(lock, key) == to] or [
        key for key in others if lease_hex(lock, key.name) == to
    ]
    if len(found) > 1:
        ids = ", ".join(lease_hex(lock, key.name) or "" for key in found)
        raise CannotTransfer(f"{len(found)} candidates are called {to}: name one by its id, {ids}")
    if found:
        return found[0]
    if any(candidate_name(lock, key) == to for key in queue):
        raise CannotTransfer(f"{to} leads already")
    raise UnknownCandidate(f"no candidate is called {to}")


def between(queue: Sequence[LockKey], heir: LockKey) -> list[LockKey]:
    """Who stands behind the first and before ``heir``."""
    return [key for key in queue[1:] if key.create_revision < heir.create_revision]


def immovable(lock: str, queue: Sequence[LockKey], sidecars: AbstractSet[str], heir: LockKey) -> list[LockKey]:
    """Those between that are no sidecars' keys. ``sidecars`` are the lease ids (hex) of the member keys."""
    return [key for key in between(queue, heir) if lease_hex(lock, key.name) not in sidecars]


def shifts(
    lock: str, queue: Sequence[LockKey], sidecars: AbstractSet[str], mine: tuple[str, int | None], heir: LockKey
) -> tuple[Shift, ...]:
    """The transactions to ask for, in order, the last of which deletes my key; none where it cannot be done any more.

    ``mine`` is my key's name and create revision.
    """
    heirs_place = any((key.name, key.create_revision) == (heir.name, heir.create_revision) for key in queue[1:])
    if not heirs_place or (queue[0].name, queue[0].create_revision) != mine or immovable(lock, queue, sidecars, heir):
        return ()
    first, waiters = queue[0], between(queue, heir)
    beyond = max(0, len(waiters) - MOST_AT_ONCE)
    # the farthest go first: if it ends there, the head of the queue is as it was
    early = [waiters[-beyond:][at : at + MOST_AT_ONCE] for at in range(0, beyond, MOST_AT_ONCE)]
    last = Shift(kept=(heir,), gone=(first, *waiters[: len(waiters) - beyond]), marked=True)
    return (*(Shift(kept=(first, heir), gone=tuple(batch)) for batch in early), last)
