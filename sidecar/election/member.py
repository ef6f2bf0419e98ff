"""The member key: it tells a sidecar's key in the queue from a Go program's, and of which revision the pod is.

Each sidecar puts one with its claim, on its lease: ``leader-sidecar.meta/member/`` + lock + ``/`` + lease hex. It stays
for as long as the lease: whose key stands in the queue is the queue's to say. Its value is JSON, every field a string.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.election.queue import LockKey, lease_hex

_ROOT = "leader-sidecar.meta/member/"


@dataclass(frozen=True, slots=True)
class Member:
    """A sidecar and its pod. What is not known is empty: ``pod``, ``uid`` and ``revision`` outside of a cluster.

    ``revision`` is the pod's ``pod-template-hash`` (Deployment) or ``controller-revision-hash`` (StatefulSet).
    """

    identity: str
    pod: str = ""
    uid: str = ""
    revision: str = ""


def members_below(lock: str) -> str:
    """What the names of a lock's member keys begin with, up to the slash before the lease."""
    return _ROOT + lock


def member_name(lock: str, lease_id: int) -> str:
    """Name of the member key of the sidecar that holds ``lease_id``."""
    return f"{members_below(lock)}/{lease_id:x}"


def members_of(below: str, keys: Iterable[LockKey]) -> dict[str, str]:
    """The values of member keys by lease id (hex). ``below`` is ``members_below`` of their lock."""
    return {lease: key.identity for key in keys if (lease := lease_hex(below, key.name)) is not None}


def write_member(member: Member) -> str:
    fields = {"identity": member.identity, "pod": member.pod, "uid": member.uid, "revision": member.revision}
    return json.dumps(fields, ensure_ascii=False)


def read_member(text: str) -> Member:
    """What a member key says. A later version may say more, or something else: what cannot be read is empty."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, Mapping):
        return Member("")
    return Member(*(_text(said.get(field)) for field in ("identity", "pod", "uid", "revision")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
