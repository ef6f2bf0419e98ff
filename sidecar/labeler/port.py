"""What the labeler needs of the election whose verdict it shows."""

from typing import Protocol


class Verdict(Protocol):
    def leading(self) -> int | None:
        """The fencing token while this pod leads *now*, else None; computed when asked."""

    async def changed(self) -> None:
        """Return at the next change of the verdict, the one for the worse included."""

    async def still_mine(self) -> bool:
        """Whether a linearizable read shows my lock key first in the queue. Raises ``SidecarError``."""

    def pod_gone(self) -> None:
        """The pod this sidecar acts for no longer exists: resign, do not campaign."""
