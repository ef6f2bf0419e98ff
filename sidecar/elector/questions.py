"""Carries the core's questions to etcd and brings the answers back as events. It decides nothing."""

from sidecar.election.events import (
    Claim,
    Claimed,
    Confirm,
    Event,
    Look,
    Looked,
    Question,
    Release,
    Released,
    Shift,
    Shifted,
    Survey,
    Surveyed,
)
from sidecar.election.queue import in_order, key_name
from sidecar.elector.membership import Membership
from sidecar.elector.notes import Notes
from sidecar.etcd.port import LockStore


async def put(
    question: Question, store: LockStore, *, lock: str, lease_id: int, membership: Membership, notes: Notes
) -> Event:
    """Ask etcd. Raises ``EtcdError``; whether the question took effect is unknown then."""
    mine = key_name(lock, lease_id)
    match question:
        case Claim(with_queue=with_queue):
            claim = await membership.claim(store, lease_id, with_queue=with_queue)
            return Claimed(claim.header, claim.mine, claim.view)
        case Look(revision=revision):
            return Looked(await notes.look(mine, revision))
        case Confirm(record=record):
            return await notes.confirm(mine, record)
        case Release():
            await notes.release(mine, question)
            return Released()
        case Survey():
            muster = await store.muster(lock)
            queue, _ = in_order(lock, muster.keys)
            return Surveyed(tuple(queue), frozenset(muster.members))
        case Shift():
            return Shifted(await notes.shift(question))
