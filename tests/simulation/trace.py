"""What happened in a run, in order: a hash that two equal runs share, and the last lines for a failing one."""

import hashlib
from collections import deque


class Trace:
    def __init__(self, keep: int = 120) -> None:
        self._hash = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=keep)
        self._kept: list[str] | None = None

    def add(self, at: float, line: str) -> None:
        text = f"{at:10.4f}  {line}"
        self._hash.update(text.encode() + b"\n")
        self._last.append(text)

    def keep(self) -> None:
        """Something was found: the lines up to here are the ones to show, whatever comes after."""
        if self._kept is None:
            self._kept = list(self._last)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def last(self) -> list[str]:
        return self._kept or list(self._last)
