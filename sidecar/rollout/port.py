"""What following a rollout needs of the election."""

from typing import Protocol

from sidecar.etcd.port import Muster


class Election(Protocol):
    @property
    def lock(self) -> str: ...

    def leading(self) -> int | None:
        """The fencing token while this pod leads *now*, else None; computed when asked."""

    async def changed(self) -> None:
        """Return at the next change of the verdict."""

    async def muster(self) -> Muster:
        """The queue and the member keys. Raises ``EtcdError``."""

    async def transfer(self, to: str) -> None:
        """Hand the lead over. Raises ``NotLeading``, ``UnknownCandidate``, ``CannotTransfer`` and ``EtcdError``."""
