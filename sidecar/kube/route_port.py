"""What the router needs of Kubernetes. ``sidecar.kube.route`` is the real one; tests bring others.

As in ``sidecar.kube.port``: the ``KubeError`` tree and nothing else is raised, and a call cannot be cancelled.
"""

from typing import Protocol

from sidecar.election.route_scheme import Place, Service, Slice


class Slices(Protocol):
    """The slices of one Service."""

    @property
    def service_name(self) -> str: ...

    async def find(self, *, cached: bool) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
        """My slices, and the names of others'; ``cached``: from the API server's cache, which may be stale."""

    async def replace(self, before: Slice, after: Slice) -> Slice:
        """Write ``after`` in the place of ``before``, at that version only; create it where there is none.

        Raises ``KubeConflict`` when the slice is another by now, or there is one already, ``PodGone`` when there is
        none any more, ``KubeForbidden``, ``KubeUnauthorized``, or ``KubeUnavailable``: then the write may have been
        accepted, or may yet be.
        """

    async def service(self) -> Service:
        """Raises ``ServiceMissing``."""

    async def place(self, pod: str) -> Place:
        """Where this pod can be reached. Raises ``PodGone``."""
