"""``--leader-file``, ``--on-elected`` and ``--on-lost``, wired: the election, the file and the webhooks."""

import asyncio
from typing import Any

from sidecar.election.verdict import View
from sidecar.http.body import leader_body
from sidecar.metrics import Metrics
from sidecar.settings import Settings
from sidecar.workload.tell.file import LeaderFile
from sidecar.workload.tell.hooks import Hooks
from sidecar.workload.tell.keeper import FileKeeper, text_of
from sidecar.workload.tell.news import What
from sidecar.workload.tell.port import Election
from sidecar.workload.tell.post import Hook, post

ANSWER_RATIO = 0.9
"""The part of a drain's bound that a hook gets: the lock is to be released within the rest."""


class Told:
    """``open``, then ``run`` until cancelled, and ``end`` before that once the election was left."""

    def __init__(self, settings: Settings, election: Election, metrics: Metrics) -> None:
        self._election = election
        self._file, self._keeper, self._hooks = None, None, None
        if settings.leader_file is not None:
            self._file = LeaderFile(settings.leader_file)
            every_seconds = settings.max_promise_seconds / 2
            self._keeper = FileKeeper(
                election, _compose, self._file.replace, every_seconds=every_seconds, metrics=metrics
            )
        urls = {What.ELECTED: settings.on_elected, What.LOST: settings.on_lost}
        hooks = {what: Hook(url) for what, url in urls.items() if url is not None}
        if hooks:
            answer_seconds = settings.drain_timeout_seconds * ANSWER_RATIO
            self._hooks = Hooks(election, _compose, hooks, post, answer_seconds=answer_seconds, metrics=metrics)
            election.listen(self._hooks.note)

    def open(self) -> None:
        """Take back what a file of an earlier run says. Raises ``SettingError`` where it cannot be written."""
        if self._file is not None:
            self._file.open(text_of(_compose(self._election.view(), None)))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for teller in (self._keeper, self._hooks):
                if teller is not None:
                    group.create_task(teller.run(), name=type(teller).__name__)

    async def finish(self) -> bool | None:
        """Between leading no more and releasing the key: whether the workload says that it has finished. Bounded.

        None where nothing is asked of it.
        """
        async with asyncio.TaskGroup() as group:
            if self._keeper is not None:
                group.create_task(self._keeper.say(), name="leader-file")
            return None if self._hooks is None else await self._hooks.finish()

    async def end(self) -> None:
        """The last word of the file; none while the lock is left as it is, and with it the last deadline."""
        if self._keeper is not None and not self._election.view().is_leader:
            await self._keeper.say()


def _compose(view: View, deadline: float | None) -> dict[str, Any]:
    return leader_body(view, deadline=deadline, now=None)
