"""What the labeler needs of Kubernetes. ``sidecar.kube.client`` is the real one; tests bring others.

Every method raises the ``KubeError`` tree and nothing else (cancellation aside). A call runs in a thread and cannot be
cancelled: who stops waiting for it must count its write as one whose answer was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PodMeta:
    """A pod's metadata. ``version`` is its resourceVersion, opaque; ``terminating``: it has a deletionTimestamp."""

    name: str
    uid: str
    version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    terminating: bool


@dataclass(frozen=True, slots=True)
class Container:
    """One container that belongs to the workload. ``restarts`` says whether kubelet will start it again."""

    name: str
    ended: bool
    restarts: bool


@dataclass(frozen=True, slots=True)
class PodStatus:
    """What the SIGTERM rule of native sidecars asks for. ``phase`` is Kubernetes' own word."""

    uid: str
    phase: str
    terminating: bool
    workload: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A core/v1 Event about the own pod. ``warning`` makes its type Warning instead of Normal."""

    reason: str
    message: str
    warning: bool


class Pods(Protocol):
    """The pods of one namespace."""

    async def read(self, name: str, *, cached: bool) -> PodMeta:
        """One pod; ``cached``: from the API server's cache, which may be stale. ``PodGone`` when there is none."""

    async def select(self, selector: str, *, cached: bool) -> tuple[PodMeta, ...]:
        """The pods that a label selector names."""

    async def patch(
        self,
        name: str,
        *,
        uid: str,
        version: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str | None],
    ) -> PodMeta:
        """A merge patch, accepted only by the pod with this uid, at this version.

        Raises ``KubeConflict`` (stale version, which is also how a re-created pod usually shows), ``PodGone`` (no such
        pod, or another uid), ``KubeForbidden`` (rights, policy, configuration), ``KubeUnauthorized``, or
        ``KubeUnavailable``: then the patch may have been accepted, or may yet be.
        """

    async def status(self, name: str, timeout_seconds: float) -> PodStatus:
        """How one pod stands, within ``timeout_seconds``."""

    async def announce(self, name: str, uid: str, event: PodEvent) -> None:
        """Create an Event about this pod."""
