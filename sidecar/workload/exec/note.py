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
    """Three lines of ``NAME=value``, which ``sh`` can source; replaced as a whole. That it exists proves nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = path.with_name(f".{path.name}.next")

    def write(self, lead: Lead) -> None:
        """Raises ``OSError``."""
        self._next.write_text(
            f"LEADER_SIDECAR_ELECTION={lead.election}\n"
            f"LEADER_SIDECAR_TOKEN={lead.token}\n"
            f"LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS={lead.until_ns}\n"
        )
        self._next.replace(self.path)


@contextlib.contextmanager
def deadline_file(path: Path | None) -> Iterator[DeadlineFile]:
    """At ``path``, or in a new directory in memory where there is one. Gone at the end.

    Raises ``SettingError`` (66) where it cannot be written.
    """
    with contextlib.ExitStack() as kept:
        try:
            if path is None:
                memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
                folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="leader-sidecar.", dir=memory))
                path = Path(folder) / "deadline"
            note = DeadlineFile(path)
            note.write(Lead("", 0, 0))
        except OSError as error:
            mend = f"{(error.strerror or 'cannot be written').lower()}: name a file that this process may write"
            shown = None if path is None else str(path)
            raise SettingError("--deadline-file", shown, mend, exit_code=ExitCode.NO_INPUT) from error
        kept.callback(path.unlink, missing_ok=True)
        yield note
