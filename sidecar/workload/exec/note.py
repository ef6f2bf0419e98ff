"""The file with the current deadline: what the command's environment said when it was started, brought up to date."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sidecar.errors import ExitCode, SettingError
from sidecar.workload.exec.events import Lead

VARIABLE = "LEADER_SIDECAR_DEADLINE_FILE"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made there


class DeadlineFile:
    """Three lines of ``NAME=value``, which ``sh`` can source; replaced as a whole. That it exists proves nothing.

    ``folder`` was made for it alone, if given.
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        self.path = path
        self._next, self._folder = path.with_name(f".{path.name}.next"), folder

    def write(self, lead: Lead) -> None:
        """Raises ``OSError``."""
        self._next.write_text(
            f"LEADER_SIDECAR_ELECTION={lead.election}\n"
            f"LEADER_SIDECAR_TOKEN={lead.token}\n"
            f"LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS={lead.until_ns}\n"
        )
        self._next.replace(self.path)

    def remove(self) -> None:
        """Leave nothing of it behind. May be called by several processes, and again."""
        with contextlib.suppress(OSError):
            self._next.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            if self._folder is not None:
                self._folder.rmdir()


@contextlib.contextmanager
def deadline_file(path: Path | None) -> Iterator[DeadlineFile]:
    """At ``path``, or in a new directory in memory where there is one. Gone at the end.

    Raises ``SettingError`` (66) where it cannot be written.
    """
    try:
        note = DeadlineFile(path) if path is not None else _in_new_folder()
        note.write(Lead("", 0, 0))
    except OSError as error:
        mend = f"{(error.strerror or 'cannot be written').lower()}: name a file that this process may write"
        shown = None if path is None else str(path)
        raise SettingError("--deadline-file", shown, mend, exit_code=ExitCode.NO_INPUT) from error
    try:
        yield note
    finally:
        note.remove()


def _in_new_folder() -> DeadlineFile:
    folder = Path(tempfile.mkdtemp(prefix="leader-sidecar.", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
    return DeadlineFile(folder / "deadline", folder)
