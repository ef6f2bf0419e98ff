"""What the node's test groups are called, and where they are found."""

import os
from dataclasses import dataclass

NAMESPACE = "shop"
TTL_SECONDS = 8
SIDECAR, WORKLOAD = "leader-sidecar", "worker"
ETCD_URL = "http://etcd.storage.svc.cluster.local:2379"
ETCD_IMAGE = "localhost/etcd:1"
IMAGE = os.environ.get("NODE_IMAGE", "localhost/leader-sidecar:0.1.0")


@dataclass(frozen=True, slots=True)
class Group:
    """``name`` is that of the election and of what owns the pods, ``kind`` what that is, as kubectl calls it.

    ``routed``: its Service has no selector and the sidecars write its slices; else it selects the label. ``asks`` is
    how the workload learns whether it leads, see ``tests/node/workload.py``.
    """

    name: str
    kind: str = "deployment"
    routed: bool = False
    asks: str = "deadline"

    @property
    def service(self) -> str:
        return f"{self.name}-leader"

    @property
    def key(self) -> str:
        return f"leader-sidecar/{self.name}"

    @property
    def lock(self) -> str:
        return f"/leader-sidecar/{NAMESPACE}/{self.name}"

    @property
    def owner(self) -> str:
        return f"{self.kind}/{self.name}"


LABELLED = Group("worker")
