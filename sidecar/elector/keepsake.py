"""Keeps the resume file true: written when a place in the queue is known, gone before that place is given up."""

import asyncio
import contextlib
import logging

from sidecar.election.candidate import Candidate
from sidecar.election.resume import Owner, Place, place_of, write_place
from sidecar.elector.folder import StateFolder

log = logging.getLogger(__name__)

FORGET_SECONDS = 0.1
"""A release waits for the disk no longer: as long as that is stuck, no later run can read the file either."""


class Keepsake:
    """A ``Memory`` in a file. ``run`` until cancelled: it alone writes and removes, one after the other."""

    def __init__(self, folder: StateFolder, owner: Owner, found: Place | None) -> None:
        """``found`` is the place that the file has now: it stays until there is another, or it is forgotten."""
        self._folder, self._owner = folder, owner
        self._wanted = self._kept = found
        self._noted: Place | None = None
        self._news, self._settled = asyncio.Event(), asyncio.Event()
        self._settled.set()

    def note(self, candidate: Candidate) -> None:
        place = place_of(candidate, self._owner)
        if place != self._noted:
            self._noted = place
            self._want(place)

    async def forget(self) -> None:
        self._want(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FORGET_SECONDS):
                await self._settled.wait()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._kept != self._wanted:
                self._kept = self._wanted  # also when it fails: it is tried again when there is something else
                await self._keep(self._kept)
            self._settled.set()

    def _want(self, place: Place | None) -> None:
        if place != self._wanted:
            self._wanted = place
            self._settled.clear()
            self._news.set()

    async def _keep(self, place: Place | None) -> None:
        try:
            if place is None:
                await asyncio.to_thread(self._folder.remove)
            else:
                await asyncio.to_thread(self._folder.write, write_place(place))
        except OSError as error:
            log.warning("the resume file cannot be kept, so a restart of this sidecar may cost its place: %s", error)
