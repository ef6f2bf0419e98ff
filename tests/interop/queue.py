"""Reads a lock's queue past everybody under test."""

import base64
import json
from dataclasses import dataclass

from tests.support.children import Deadline
from tests.support.etcd import Cluster


@dataclass(frozen=True, slots=True)
class Place:
    key: str
    value: str
    create_revision: int
    lease_id: int


def read_queue(etcd: Cluster, lock: str) -> list[Place]:
    """All keys below the lock, first come first."""
    read = etcd.ctl("get", "--prefix", "--sort-by=CREATE", "--order=ASCEND", "--write-out=json", f"{lock}/")
    kvs = json.loads(read).get("kvs", [])
    return [
        Place(_decoded(kv["key"]), _decoded(kv.get("value", "")), int(kv["create_revision"]), int(kv.get("lease", 0)))
        for kv in kvs
    ]


def wait_for_queue(etcd: Cluster, lock: str, length: int) -> list[Place]:
    """Return once the queue has that many candidates."""
    deadline, seen = Deadline(60, poll_seconds=0.1), list[Place]()
    while deadline.goes_on():
        seen = read_queue(etcd, lock)
        if len(seen) == length:
            return seen
    raise AssertionError(f"{length} candidates expected below {lock}, last seen: {seen}")


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
