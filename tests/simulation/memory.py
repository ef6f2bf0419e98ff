"""The folder of ``--state-dir`` in the simulation: what one life of a sidecar leaves for the next one on its pod."""

from sidecar.election.candidate import Candidate
from sidecar.election.resume import Owner, Place, place_of


class SimulatedMemory:
    """One pod's. It outlives a crash of the sidecar, and is emptied when the pod itself is made anew."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._noted: Place | None = None
        self.place: Place | None = None

    def note(self, candidate: Candidate) -> None:
        place = place_of(candidate, self._owner)
        if place != self._noted:
            self._noted = self.place = place

    async def forget(self) -> None:
        self.place = None

    def next_life(self, *, same_pod: bool) -> None:
        self._noted = None
        if not same_pod:
            self.place = None
