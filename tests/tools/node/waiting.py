"""Waiting for something to become true, with a bound."""

import time
from collections.abc import Callable


class NotInTime(Exception):
    """What was waited for did not come; the message says what that was."""


def wait_until(holds: Callable[[], object], seconds: float, what: str, every_seconds: float = 0.1) -> None:
    """Raises ``NotInTime``."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise NotInTime(f"{what}: not within {seconds:g} s")
        time.sleep(every_seconds)
