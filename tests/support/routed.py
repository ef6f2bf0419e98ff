"""A verdict for routers that the test turns on and off."""

import asyncio

from sidecar.router.port import Parting


class SetRoute:
    """``mine`` is what a read of the lock key would show."""

    def __init__(self) -> None:
        self._token: int | None = None
        self._parting = Parting.OUT
        self._changed = asyncio.Event()
        self.mine = True

    def set(self, token: int | None, parting: Parting = Parting.OUT) -> None:
        self._token, self._parting = token, parting
        self._changed.set()
        self._changed = asyncio.Event()

    def leading(self) -> int | None:
        return self._token

    def parting(self) -> Parting:
        return self._parting

    async def changed(self) -> None:
        await self._changed.wait()

    async def still_mine(self) -> bool:
        return self.mine
