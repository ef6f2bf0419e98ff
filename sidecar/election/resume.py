"""Resuming: a run of this sidecar takes up the lease and the place in the queue that the run before it left.

What is left is a ``Place``; it has no times in it, for how long the lease still holds is etcd's to say. The rules:

1. A place is taken up by the sidecar that left it alone: same pod, lock, identity, TTL and boot of the machine, and no
   other process has it (a file lock, held for a process' life).
2. A fresh keepalive of its lease is answered with time left, by the same etcd cluster.
3. After that a linearizable read shows its key, with the stored create revision, on that lease. Then it is a candidate
   like others: it leads when a read of the queue says so, and confirms a renewal of its own.
4. A place is forgotten before anything is sent that may delete its key. A delete that is late would else hit the key of
   a run that has resumed and leads by it (exhaustive search in ``tests/model`` shows it).
5. A run that has resumed keeps what the one before it promised: see ``Elector.inherit``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.election.lease import Renewal
from sidecar.election.queue import LockKey, key_name

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Owner:
    """Who stands in line. ``boot`` is the machine's boot; it and ``pod_uid`` are empty where unknown.

    ``ttl_seconds`` is what was asked of etcd, not what it granted.
    """

    lock: str
    identity: str
    pod_uid: str
    boot: str
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue: what it takes to stand there again."""

    owner: Owner
    cluster_id: int
    lease_id: int
    granted_seconds: float
    create_revision: int

    @property
    def key(self) -> str:
        return key_name(self.owner.lock, self.lease_id)


def place_of(candidate: Candidate, owner: Owner) -> Place | None:
    """The place that a later run may take up; None where there is none, or where it is being given up."""
    renewal, revision = candidate.renewal, candidate.revision
    if renewal is None or revision is None or candidate.phase not in (Phase.WAITING, Phase.LEADING):
        return None
    return Place(owner, renewal.header.cluster_id, renewal.lease_id, renewal.ttl_seconds, revision)


# === Why not


def not_for(place: Place, owner: Owner) -> str | None:
    """Why this sidecar may not take the place up; None when it may."""
    left, mine = asdict(place.owner), asdict(owner)
    return next((f"{_NAMES[field]} was {left[field]!r}" for field in _NAMES if left[field] != mine[field]), None)


_NAMES = {
    "pod_uid": "the pod's uid",
    "lock": "the lock",
    "identity": "the identity",
    "ttl_seconds": "--ttl",
    "boot": "the machine's boot",
}


def lease_is_lost(place: Place, renewal: Renewal) -> str | None:
    """Why the lease cannot be taken up, by the answer to a keepalive; None when it can."""
    if renewal.header.cluster_id != place.cluster_id:
        return f"this is etcd cluster {renewal.header.cluster_id:x}, and it was {place.cluster_id:x}"
    return None if renewal.ttl_seconds > 0 else "the lease has ended"


def key_is_lost(place: Place, key: LockKey | None) -> str | None:
    """Why the place is lost, by a linearizable read of its key; None when it still stands."""
    if key is None:
        return "the key is gone"
    if (key.create_revision, key.lease_id) != (place.create_revision, place.lease_id):
        return f"the key was made anew, at revision {key.create_revision} instead of {place.create_revision}"
    return None


# === As text


def write_place(place: Place) -> str:
    said = {
        "version": _VERSION,
        **asdict(place.owner),
        "cluster": f"{place.cluster_id:x}",
        "lease": f"{place.lease_id:x}",
        "granted_seconds": place.granted_seconds,
        "create_revision": place.create_revision,
    }
    return json.dumps(said, indent=1) + "\n"


def read_place(text: str) -> Place:
    """Raises ``ValueError`` for anything but what ``write_place`` writes."""
    said = json.loads(text)
    if not isinstance(said, Mapping) or said.get("version") != _VERSION:
        raise ValueError("it is of no version known here")
    try:
        lock, identity, pod_uid, boot = (_text(said[field]) for field in ("lock", "identity", "pod_uid", "boot"))
        owner = Owner(lock, identity, pod_uid, boot, _whole(said["ttl_seconds"]))
        granted = float(said["granted_seconds"])
        place = Place(owner, int(said["cluster"], 16), int(said["lease"], 16), granted, _whole(said["create_revision"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"a field is missing or of another kind: {error}") from error
    if not (math.isfinite(granted) and granted > 0 and place.lease_id > 0 and place.create_revision > 0):
        raise ValueError("a number is out of range")
    return place


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value
