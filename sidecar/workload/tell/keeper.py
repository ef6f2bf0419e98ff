"""Keeps the leader file true: at each change, and while leading so often that its deadline never runs out."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable

from sidecar.metrics import Metrics
from sidecar.workload.tell.port import Compose, Election

log = logging.getLogger(__name__)

KIND = "leader_file"
"""Its failures' label."""


class FileKeeper:
    """``replace`` puts a new text in the file's place; it raises ``OSError``, and bounds itself.

    ``every_seconds`` is how often a leader writes: half of what a promise holds at most.
    """

    def __init__(
        self,
        election: Election,
        compose: Compose,
        replace: Callable[[str], Awaitable[None]],
        *,
        every_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._election, self._compose, self._replace = election, compose, replace
        self._every_seconds, self._metrics = every_seconds, metrics
        self._writing = asyncio.Lock()
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            version, again = await self.say()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds if again else None):
                    await self._election.changed(version)

    async def say(self) -> tuple[str, bool]:
        """Write what holds now; its version, and whether it is to be written again though nothing changes.

        A file that cannot be written keeps its old body: its deadline runs out, and a step-down waits for that.
        """
        async with self._writing:
            view = self._election.view()
            body = self._compose(view, self._election.promise(view))
            written = await self._written(text_of(body))
        return view.version, view.is_leader or not written

    async def _written(self, text: str) -> bool:
        try:
            await self._replace(text)
        except OSError as error:
            self._metrics.failures.labels(KIND).inc()
            if str(error) != self._said:
                log.warning("the leader file is not written: %s", error, extra={"kind": KIND})
            self._said = str(error)
            return False
        self._said = ""
        return True


def text_of(body: dict[str, object]) -> str:
    """One line of JSON."""
    return json.dumps(body) + "\n"
