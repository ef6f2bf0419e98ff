"""``leader-sidecar wait``: for entrypoints that go on only once this pod leads, or once somebody else does."""

import signal
import sys
import time
from types import FrameType
from typing import Any

from sidecar.errors import ExitCode
from sidecar.workload.exec.ask import NoAnswer, Sidecar

ASK_AGAIN_SECONDS = 0.2
LONGEST_POLL_SECONDS = 30.0


def wait_until(address: str, *, follower: bool, timeout_seconds: float | None) -> int:
    """0 once this pod leads (with ``follower``: once another is known to); 75 when the time is up before that.

    A sidecar that does not answer yet is waited for. Raises ``SettingError``.
    """
    sidecar = Sidecar(address)
    signal.signal(signal.SIGTERM, _exit_by_signal)  # process 1 would not notice it
    ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    version: str | None = None
    trouble = "not yet"
    while True:
        left = LONGEST_POLL_SECONDS if ends is None else min(LONGEST_POLL_SECONDS, ends - time.monotonic())
        try:
            body = sidecar.ask(version, max(0.0, left))
            if holds(body, follower=follower):
                return ExitCode.OK
            version, trouble = str(body["version"]), f"{body['name']} is {body['state']}, {body['leader']} leads"
        except NoAnswer as error:
            version, trouble = None, str(error)
            time.sleep(max(0.0, min(ASK_AGAIN_SECONDS, left)))
        if ends is not None and time.monotonic() >= ends:
            sys.stderr.write(f"leader-sidecar: wait: --timeout is up: {trouble}\n")
            return ExitCode.TEMPORARY


def holds(body: dict[str, Any], *, follower: bool) -> bool:
    """What is waited for, by a body of ``/leader``."""
    if not follower:
        return bool(body["is_leader"])
    return not body["is_leader"] and body["leader"] is not None and body["leader_id"] != body["id"]


def _exit_by_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
