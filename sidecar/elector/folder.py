"""The folder of ``--state-dir``: one file of a few hundred bytes, and a lock that one process holds for its life."""

import fcntl
import os
from pathlib import Path

from sidecar.errors import ExitCode, SettingError

SETTING = "--state-dir"
PLACE, LOCK = "place.json", "lock"
_LONGEST_BYTES = 64 * 1024


class StateFolder:
    """Its methods may wait for the disk, and raise ``OSError``. Never closed: a write may outlive whoever wants it."""

    def __init__(self, path: Path) -> None:
        """Takes the lock. Raises ``SettingError`` when the folder cannot be used, or another process has it."""
        self._place, self._new = path / PLACE, path / f"{PLACE}.new"
        try:
            # not handed on to children: what they outlive us by must not keep the next run out
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            mend = f"{_reason(error)}: mount a volume there that this user may write to, as an emptyDir"
            raise SettingError(SETTING, str(path), mend, exit_code=ExitCode.NO_INPUT) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            mend = "another process uses it: end that one, or give each sidecar a folder of its own"
            raise SettingError(SETTING, str(path), mend) from error
        except OSError as error:
            os.close(self._lock)
            mend = f"it takes no file lock ({_reason(error)}): use a local file system, as an emptyDir"
            raise SettingError(SETTING, str(path), mend) from error

    def read(self) -> str | None:
        """What the last run left; None for nothing. Raises ``ValueError`` when it is no text."""
        try:
            with self._place.open("rb") as file:
                return file.read(_LONGEST_BYTES).decode()
        except FileNotFoundError:
            return None

    def write(self, text: str) -> None:
        """Replace it, so that a reader finds the old or the new one, whole, whatever happens meanwhile."""
        handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._place)

    def remove(self) -> None:
        # not synced: after a loss of power it may be there again, and is refused as of another boot
        self._place.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return (error.strerror or "unusable").lower()
