"""An election that can be told to lead and to stop, for what tells the workload; its time is the loop's."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sidecar.election.verdict import State, Transition, View
from sidecar.http.body import leader_body
from tests.support.http import FOLLOWING, LEADING

MAX_PROMISE_SECONDS = 2.0


class ToldElection:
    """``valid_until`` is that of a leader's next views, ``leader`` whom a follower knows to lead; ``promised`` is every
    deadline handed out.
    """

    def __init__(self) -> None:
        self.listener: Callable[[Transition], None] = lambda _: None
        self.valid_until = 1e9
        self.leader: str | None = "web-1"
        self.promised: list[float] = []
        self._shown = replace(FOLLOWING, state=State.CONNECTING)
        self._changed = asyncio.Event()

    def move(self, state: State, token: int | None = None) -> None:
        """Go to this state; ``token`` where that is a leader's."""
        before, counter = self._shown, int(self._shown.version.split(".")[1])
        view = LEADING if state is State.LEADING else replace(FOLLOWING, leader=self.leader)
        self._shown = replace(view, state=state, token=token, version=f"i.{counter + 1}")
        self._changed.set()
        self._changed = asyncio.Event()
        self.listener(Transition(0.0, before.state, state, None, token or before.token, 1.0))

    def listen(self, listener: Callable[[Transition], None]) -> None:
        self.listener = listener

    def view(self) -> View:
        return replace(self._shown, valid_until=self.valid_until if self._shown.is_leader else None)

    def promise(self, view: View) -> float | None:
        if view.valid_until is None:
            return None
        self.promised.append(min(view.valid_until, asyncio.get_running_loop().time() + MAX_PROMISE_SECONDS))
        return self.promised[-1]

    async def changed(self, version: str) -> None:
        while self._shown.version == version:
            await self._changed.wait()


def compose(view: View, deadline: float | None) -> dict[str, Any]:
    return leader_body(view, deadline=deadline, now=None)
