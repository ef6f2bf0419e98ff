"""What ``exec`` is asked for. Imported by every command, so it imports next to nothing."""

import sys
from collections.abc import Sequence
from enum import StrEnum

from sidecar.errors import ExitCode

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes for a command that could not be started, as in sh."""


class OnExit(StrEnum):
    """What a command that ends by itself means."""

    RESIGN = "resign"  # another leads; here it is started again when this pod's turn comes
    EXIT = "exit"  # another leads, and we end with its code
    RESTART = "restart"  # the lead stays, and the command is started again


def refuse(command: Sequence[str]) -> int | None:
    """The exit code where there is nothing that can be run, said at start; None where there is."""
    if not command:
        sys.stderr.write("leader-sidecar: exec: give the command to run behind --, as in exec -- sleep 60\n")
        return ExitCode.USAGE
    import shutil

    if shutil.which(command[0]) is None:
        sys.stderr.write(f"leader-sidecar: exec: {command[0]}: no such program that this process may run\n")
        return NOT_FOUND
    return None
