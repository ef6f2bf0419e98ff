"""A witness to an election: asks every sidecar for the verdict all the time, and notes what they answer and when."""

import http.client
import json
import math
import threading
import time
from typing import Self

from tests.support.children import Deadline
from tests.support.promise import Answer, Excuse, violations
from tests.support.sidecar import SidecarProcess

_PATIENCE_SECONDS = 60.0
_LONGEST_ANSWER_SECONDS = 60.0
"""A frozen sidecar is waited for: what it answers first, once thawed, is what matters."""


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Witness:
    """Used as a context manager; at its end the notes must prove nothing against the promises.

    One thread asks one sidecar, one request at a time, ``period_seconds`` apart.
    """

    def __init__(self, period_seconds: float = 0.01) -> None:
        self._period_seconds = period_seconds
        self._answers: dict[str, list[Answer]] = {}
        self._excuses: list[Excuse] = []
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is None:
            self.check()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def attend(self, sidecar: SidecarProcess) -> None:
        """Ask it from now on, through restarts as well."""
        self._answers[sidecar.identity] = []
        thread = threading.Thread(target=self._ask_on, args=(sidecar,), name=f"witness {sidecar.identity}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- what was noted

    def answers(self, sidecar: SidecarProcess | None = None, since: float = 0.0) -> list[Answer]:
        """In order of arrival: of one sidecar or of all, arrived at ``since`` or later."""
        noted = self._answers.values() if sidecar is None else [self._answers[sidecar.identity]]
        found = [answer for answers in noted for answer in tuple(answers) if answer.received_at >= since]
        return sorted(found, key=lambda answer: answer.received_at)

    def promised_until(self, sidecar: SidecarProcess) -> float:
        """The latest deadline it handed out to us; 0 for none."""
        return max((answer.promised_until for answer in self.answers(sidecar) if answer.leads), default=0.0)

    def wait_for_answer(self, sidecar: SidecarProcess, since: float) -> Answer:
        """The first one that arrives at ``since`` or later."""
        deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.005)
        while deadline.goes_on():
            if found := self.answers(sidecar, since):
                return found[0]
        raise AssertionError(f"{sidecar.identity} answered nothing:\n{sidecar.output()}")

    # --- what is no violation

    def excuse_resign(self, token: int) -> None:
        """Call just before a resign without a drain: the workload itself gives the lead up."""
        self._excuses.append(Excuse(token, boottime()))

    def excuse_meddling(self, token: int) -> None:
        """Call just before a key or a lease is meddled with: assumption (b) does not hold for this leadership."""
        self._excuses.append(Excuse(token, boottime(), meddled=True))

    def forget(self, before: float = math.inf) -> None:
        """Judge only what arrived since then, by default what comes from now on.

        That is for when assumption (c) was broken: tokens may be lower than before.
        """
        for notes in self._answers.values():
            notes[:] = [answer for answer in notes if answer.received_at >= before]

    def check(self) -> None:
        """Raises ``AssertionError`` when the notes prove a violation, or when there are no notes."""
        answers = self.answers()
        assert answers, "the witness has seen nothing"
        found = violations(answers, self._excuses)
        assert not found, "\n".join(found)

    # --- asking

    def _ask_on(self, sidecar: SidecarProcess) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.wait(self._period_seconds):
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=_LONGEST_ANSWER_SECONDS)
            try:
                self._answers[sidecar.identity].append(_ask(sidecar.identity, connection))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def _ask(identity: str, connection: http.client.HTTPConnection) -> Answer:
    sent_at = boottime()
    connection.request("GET", "/leader")
    response = connection.getresponse()
    body = json.loads(response.read())
    received_at = boottime()
    instance = body["version"].partition(".")[0]
    return Answer(
        identity, instance, sent_at, received_at, response.status, body["state"], body["token"], body["valid_for_ms"]
    )
