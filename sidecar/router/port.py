"""What the router needs of the election whose leader it routes to, and of whoever tells people."""

from enum import Enum
from typing import Protocol

from sidecar.kube.port import PodEvent


class Parting(Enum):
    """How this pod stands to the lead while it does not have it."""

    OUT = "out"  # never had it, or lost it
    LEAVING = "leaving"  # gives it up on purpose, and still holds the lock
    LEFT = "left"  # gave it up on purpose, and holds the lock no more


class Verdict(Protocol):
    def leading(self) -> int | None:
        """The fencing token while this pod leads *now*, else None; computed when asked."""

    def parting(self) -> Parting:
        """Only to be asked while it does not lead."""

    async def changed(self) -> None:
        """Return at the next change of the verdict or of the parting."""

    async def still_mine(self) -> bool:
        """Whether a linearizable read shows my lock key first in the queue. Raises ``SidecarError``."""


class Announcer(Protocol):
    def say(self, event: PodEvent) -> None:
        """An Event on the own pod, best effort."""
