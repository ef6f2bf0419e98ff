"""Reads times from a sidecar's own log."""

import json
from datetime import datetime

from tests.support.sidecar import SidecarProcess


def last_stop_of_leading(sidecar: SidecarProcess) -> float:
    """Wall seconds, in whole milliseconds, of the last line that says it leads no more."""
    lines = (json.loads(line) for line in reversed(sidecar.output().splitlines()) if line.startswith("{"))
    last = next(line for line in lines if line["message"].startswith("leading -> "))
    return datetime.fromisoformat(last["time"]).timestamp()
