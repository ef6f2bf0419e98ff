"""The leader file itself: replaced as a whole, so that a reader finds the old body or the new one."""

import contextlib
import functools
import os
from pathlib import Path

from sidecar.errors import ExitCode, SettingError
from sidecar.kube.threads import Threads, TooManyCalls

WRITE_SECONDS = 0.5
"""A disk may stand still (a frozen file system, a full queue); what waits for it does not."""


class LeaderFile:
    def __init__(self, path: Path) -> None:
        self._path, self._next = path, path.with_name(f".{path.name}.next")
        self._threads = Threads("leader-file", at_most=1)  # one after the other: an old body never replaces a new one

    def open(self, text: str) -> None:
        """The first writing. Raises ``SettingError`` (66) where it cannot be written."""
        try:
            self._write(text)
        except OSError as error:
            reason = (error.strerror or "cannot be written").lower()
            mend = f"{reason}: name a file in a folder that this process may write"
            raise SettingError("--leader-file", str(self._path), mend, exit_code=ExitCode.NO_INPUT) from error

    async def replace(self, text: str) -> None:
        """Raises ``OSError``: the file is as it was, or, where the disk stands still, will be replaced later."""
        try:
            await self._threads.run(functools.partial(self._write, text), WRITE_SECONDS)
        except (TimeoutError, TooManyCalls) as stuck:
            raise TimeoutError(f"{self._path}: the disk does not answer") from stuck
        except RuntimeError as error:
            raise OSError(f"{self._path}: {error}") from error

    def _write(self, text: str) -> None:
        # made anew each time: the workload may write in that folder too, and a link left there is not followed
        with contextlib.suppress(FileNotFoundError):
            self._next.unlink()
        descriptor = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o644)  # the workload may be another user, whatever our umask is
            file.write(text)
        self._next.replace(self._path)
