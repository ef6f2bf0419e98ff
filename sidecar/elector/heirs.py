"""Whom the lead may be handed over to: looked up before anything is given up for it."""

from sidecar.election.events import TransferRequested
from sidecar.election.member import members_below
from sidecar.election.queue import candidate_name, in_order
from sidecar.election.transfer import find_heir, immovable, shifts
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


def plan_transfer(lock: str, muster: Muster, mine: tuple[str, int | None], to: str) -> TransferRequested:
    """To the candidate called ``to``. ``mine`` are name and create revision of the leader's key.

    Raises ``UnknownCandidate`` and ``CannotTransfer``.
    """
    queue, _ = in_order(lock, muster.keys)
    heir = find_heir(lock, queue, mine[0], to)
    foreign = [candidate_name(lock, key) for key in immovable(lock, queue, muster.members.keys(), heir)]
    if foreign:
        raise CannotTransfer(f"between this pod and {to} wait programs that are no sidecars: {', '.join(foreign)}")
    return TransferRequested(heir, shifts(lock, queue, muster.members.keys(), mine, heir))
