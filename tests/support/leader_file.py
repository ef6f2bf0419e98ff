"""A workload that reads its leader file all the time, believes it, and notes what it believed."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support.children import Deadline
from tests.support.promise import Answer
from tests.support.witness import boottime

_PATIENCE_SECONDS = 60.0


class FileReader:
    """Used as a context manager. ``answers`` is what its file said, as if it were an answer of ``/leader``.

    A body whose deadline has passed when it has been read says nothing of a lead. ``torn`` is what could not be read
    although the file had been there before.
    """

    def __init__(self, sidecar: str, path: Path) -> None:
        self.sidecar, self.path = sidecar, path
        self.answers: list[Answer] = []
        self.torn: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.path.read_text())
        return body

    def wait_for(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline, body = Deadline(_PATIENCE_SECONDS), dict[str, Any]()
        while deadline.goes_on():
            if self.path.exists():
                body = self.body()
                if holds(body):
                    return body
        raise AssertionError(f"the file of {self.sidecar} is not {what}: {body}")

    def last_deadline(self) -> float:
        """The latest that was ever read, in seconds of CLOCK_BOOTTIME."""
        return max(answer.promised_until for answer in tuple(self.answers) if answer.leads)

    def _read_on(self) -> None:
        while not self._stopping.wait(0.001):
            sent_at = boottime()
            try:
                text = self.path.read_text()
            except OSError as error:
                if self.answers:
                    self.torn.append(repr(error))
                continue
            received_at = boottime()
            try:
                self.answers.append(_answer(self.sidecar, json.loads(text), sent_at, received_at))
            except (ValueError, KeyError) as error:
                self.torn.append(f"{error!r} in {text!r}")


def _answer(sidecar: str, body: dict[str, Any], sent_at: float, received_at: float) -> Answer:
    until = (body["valid_until_boottime_ns"] or 0) / 1e9
    leads = body["is_leader"] and received_at < until
    return Answer(
        sidecar,
        body["version"].partition(".")[0],
        sent_at,
        received_at,
        200 if leads else 503,
        body["state"],
        body["token"] if leads else None,
        int((until - sent_at) * 1000) if leads else None,
    )
