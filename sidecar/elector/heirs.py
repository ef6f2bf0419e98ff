"""Whom the lead may be handed over to: looked up before anything is given up for it."""

from sidecar.election.member import members_below
from sidecar.election.queue import LockKey, candidate_name, in_order
from sidecar.election.transfer import find_heir, immovable
from sidecar.errors import CannotTransfer, PermissionDenied
from sidecar.etcd.port import LockStore, Muster


async def read_muster(store: LockStore, lock: str) -> Muster:
    """Raises ``EtcdError``; a ``PermissionDenied`` names the right that is missing."""
    try:
        return await store.muster(lock)
    except PermissionDenied as error:
        prefix = members_below(lock)
        raise PermissionDenied(
            f"{error}: let the etcd user read and write the keys that begin with {prefix}/"
        ) from error


def choose_heir(lock: str, muster: Muster, mine: str, to: str) -> LockKey:
    """The candidate called ``to``. ``mine`` is the name of the leader's key.

    Raises ``UnknownCandidate`` and ``CannotTransfer``.
    """
    queue, _ = in_order(lock, muster.keys)
    heir = find_heir(lock, queue, mine, to)
    foreign = [candidate_name(lock, key) for key in immovable(lock, queue, muster.members.keys(), heir)]
    if foreign:
        raise CannotTransfer(f"between this pod and {to} wait programs that are no sidecars: {', '.join(foreign)}")
    return heir
