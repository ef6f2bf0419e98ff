"""To whom a leader hands over for the sake of a rollout, or because its own pod is about to go.

Kubernetes' rules: a Deployment and its ReplicaSets bear the annotation ``deployment.kubernetes.io/revision``, and the
ReplicaSet whose number is the Deployment's is the one wanted; its pods have its ``pod-template-hash`` label. A
StatefulSet wants ``status.updateRevision``, the ``controller-revision-hash`` label, but for ordinals below its
partition, which stay as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sidecar.election.member import Member, read_member
from sidecar.election.queue import LockKey, lease_hex


@dataclass(frozen=True, slots=True)
class Peer:
    """A sidecar that waits; ``lease`` is its lease's hex id, by which it can be named."""

    lease: str
    member: Member


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod as the API server has it. ``can_lead``: it runs, every container has started, and it is ready.

    Where only the leader is made ready, that last is not asked.
    """

    uid: str
    terminating: bool
    can_lead: bool
    node: str


def reachable(lock: str, queue: Sequence[LockKey], members: Mapping[str, str]) -> tuple[Peer, ...]:
    """The sidecars behind the first that a transfer can reach: up to the first program that is none."""
    found: list[Peer] = []
    for key in queue[1:]:
        lease = lease_hex(lock, key.name)
        if lease is None or lease not in members:
            break
        found.append(Peer(lease, read_member(members[lease])))
    return tuple(found)


def several_revisions(own: str, peers: Iterable[Peer]) -> bool:
    """Whether candidates of another revision than mine wait; of one that is not known nothing is concluded."""
    return bool(own) and any(peer.member.revision not in ("", own) for peer in peers)


def in_line(own: str, wanted: str | None, peers: Sequence[Peer], *, leaving: bool) -> list[Peer]:
    """Whom to hand over to, the best first, as far as the queue tells; nobody where the lead may stay.

    ``wanted`` is the revision that the pods' owner wants, None when unknown. ``leaving``: my own pod is about to go.
    """
    pods = [peer for peer in peers if peer.member.pod]
    if leaving:
        return sorted(pods, key=lambda peer: peer.member.revision != wanted)
    if wanted in (None, own):
        return []
    return [peer for peer in pods if peer.member.revision == wanted]


def can_be_heir(peer: Peer, facts: PodFacts) -> bool:
    """Whether the pod is still the member's, and able to lead."""
    return facts.can_lead and not facts.terminating and facts.uid == peer.member.uid


def wanted_hash(deployment: str, replica_sets: Mapping[str, str]) -> str | None:
    """The pod-template-hash that a Deployment wants. ``replica_sets`` are the revision numbers by hash."""
    return next((hash_ for hash_, number in replica_sets.items() if number and number == deployment), None)


def wanted_update(update_revision: str, partition: int, pod: str) -> str | None:
    """The controller-revision-hash that a StatefulSet wants of this pod; None where it may stay as it is."""
    ordinal = pod.rpartition("-")[2]
    held_back = ordinal.isdecimal() and int(ordinal) < partition
    return None if held_back or not update_revision else update_revision
