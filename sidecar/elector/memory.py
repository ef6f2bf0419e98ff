"""Where an elector leaves its place in the queue, for a later run of the same sidecar to resume."""

from typing import Protocol

from sidecar.election.candidate import Candidate


class Memory(Protocol):
    def note(self, candidate: Candidate) -> None:
        """The candidate has changed."""

    async def forget(self) -> None:
        """Return when no later run can take the place up any more, or when there is no telling in time."""
