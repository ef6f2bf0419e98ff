"""The deadlines handed out: whoever gives the lead up waits for the latest of them."""

from sidecar.clock import Clock
from sidecar.election.candidate import NEVER


class Promises:
    """``longest_seconds`` caps each of them."""

    def __init__(self, clock: Clock, longest_seconds: float) -> None:
        self._clock, self._longest_seconds = clock, longest_seconds
        self.latest = -NEVER

    def make(self, valid_until: float) -> float:
        """A deadline to hand out, on the clock: no later than ``valid_until``."""
        deadline = min(valid_until, self._clock.now() + self._longest_seconds)
        self.latest = max(self.latest, deadline)
        return deadline

    def inherit(self) -> None:
        """An earlier run of this sidecar may have handed out any that it could, until just now."""
        self.latest = max(self.latest, self._clock.now() + self._longest_seconds)

    def left_seconds(self) -> float:
        """For how long the latest of them still holds; 0 when it has passed."""
        return max(0.0, self.latest - self._clock.now())
