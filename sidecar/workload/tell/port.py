"""What telling needs of an election. The elector is one."""

from collections.abc import Callable
from typing import Any, Protocol

from sidecar.election.verdict import Transition, View

Compose = Callable[[View, float | None], dict[str, Any]]
"""The body of ``/leader`` for a view and the deadline handed out with it (CLOCK_BOOTTIME seconds)."""


class Election(Protocol):
    def view(self) -> View:
        """The verdict, computed now."""

    def promise(self, view: View) -> float | None:
        """A deadline to hand out (CLOCK_BOOTTIME seconds), kept for the step-down; None on a follower."""

    async def changed(self, version: str) -> None:
        """Return once the view's version is another than ``version``."""

    def listen(self, listener: Callable[[Transition], None]) -> None:
        """Call this with every transition from now on."""
