"""What happened in a run, in order: a hash that two equal runs share, and the last lines for a failing one."""

import hashlib
from collections import deque


class Trace:
    def __init__(self, keep: int = 120) -> None:
        self._hash = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=keep)
        self.count = 0

    def add(self, at: float, line: str) -> None:
        text = f"{at:10.4f}  {line}"
        self._hash.update(text.encode() + b"\n")
        self._last.append(text)
        self.count += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def last(self) -> list[str]:
        return list(self._last)
