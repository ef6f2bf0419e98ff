"""``--state-dir``: what the run before this one left there, and what this one leaves. Imported where it is given."""

import asyncio
import contextlib
import logging
from pathlib import Path
from random import Random

from sidecar.clock import Clock
from sidecar.election.label_timing import START_SECONDS
from sidecar.election.lease import Renewal
from sidecar.election.resume import Owner, Place, not_for, read_place
from sidecar.elector.elector import Elector
from sidecar.elector.folder import StateFolder
from sidecar.elector.keepsake import Keepsake
from sidecar.elector.resume import take_up
from sidecar.etcd.port import LockStore
from sidecar.settings import Settings

log = logging.getLogger(__name__)

_NOT = "not resuming, but standing in line anew"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Resumption:
    """``take_up`` once, at the start; ``run`` until cancelled. The folder is held until the process has ended."""

    def __init__(self, settings: Settings, path: Path) -> None:
        """Raises ``SettingError`` when the folder cannot be used, or another process has it."""
        self._folder = StateFolder(path)
        owner = owner_of(settings)
        self._found = self._read(owner)
        self.memory = Keepsake(self._folder, owner, self._found)
        self.run = self.memory.run
        self._decided, self._resumed = asyncio.Event(), False

    async def take_up(self, store: LockStore, clock: Clock, random: Random) -> Renewal | None:
        """The lease of the run before, renewed; None for none. Raises as ``sidecar.elector.resume.take_up``."""
        renewal = None if self._found is None else await self._ask(self._found, store, clock, random)
        self._resumed = renewal is not None
        self._decided.set()
        return renewal

    async def settle(self, elector: Elector) -> bool:
        """Whether an earlier run's place is resumed. Returns when it is also known who leads, or after 2 s.

        Until then a label that says leader may be right, and is left alone.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._decided.wait()
                while self._resumed and (view := elector.view()).leader is None:
                    await elector.changed(view.version)
        return self._resumed

    async def _ask(self, place: Place, store: LockStore, clock: Clock, random: Random) -> Renewal | None:
        answer = await take_up(place, store, clock, random)
        lease = {"lease": f"{place.lease_id:x}", "create_revision": place.create_revision}
        if isinstance(answer, Renewal):
            log.info("resuming", extra=lease)
            return answer
        log.warning("%s: %s", _NOT, answer, extra=lease)
        await self.memory.forget()
        return None

    def _read(self, owner: Owner) -> Place | None:
        """The place left here for this sidecar; what it cannot use is taken away."""
        try:
            text = self._folder.read()
            place = None if text is None else read_place(text)
            refused = None if place is None else not_for(place, owner)
        except (OSError, ValueError) as error:
            place, refused = None, f"the file is damaged: {error}"
        if refused is None:
            return place
        log.warning("%s: %s", _NOT, refused)
        try:
            self._folder.remove()
        except OSError as error:
            log.warning("the resume file cannot be removed: %s", error)
        return None


def owner_of(settings: Settings) -> Owner:
    try:
        boot = _BOOT.read_text().strip()
    except OSError:
        boot = ""
    lock = settings.lock(settings.election)
    return Owner(lock, settings.identity, settings.pod_uid or "", boot, settings.ttl_seconds)
