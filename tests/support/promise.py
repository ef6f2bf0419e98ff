"""Promise 1 and 2 of the design, as a judgement over answers of ``GET /leader`` that somebody noted down.

It accuses nobody without proof: a request's answer was made at some instant between ``sent_at`` and ``received_at``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, with when its request was sent and when it was here (seconds of ``CLOCK_BOOTTIME``).

    ``instance`` tells one run of a sidecar from another; ``token`` and ``valid_for_ms`` are a leader's.
    """

    sidecar: str
    instance: str
    sent_at: float
    received_at: float
    status: int
    state: str
    token: int | None = None
    valid_for_ms: int | None = None

    @property
    def leads(self) -> bool:
        return self.status == 200

    @property
    def promised_until(self) -> float:
        return self.sent_at + (self.valid_for_ms or 0) / 1000


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why promises of a leadership end at ``at``.

    Its workload resigned without a drain; or, where ``meddled``, somebody broke assumption (b) and nothing is known of
    how long it went on answering.
    """

    token: int
    at: float
    meddled: bool = False


def violations(answers: Iterable[Answer], excuses: Iterable[Excuse] = ()) -> list[str]:
    """What the answers prove to be broken, a sentence each; nothing when all is well."""
    excuses = tuple(excuses)
    found: list[str] = []
    for older, newer in combinations(_leaderships(answers), 2):
        found += _between(older, newer, [excuse for excuse in excuses if excuse.token == older.token])
    return found


@dataclass(frozen=True, slots=True)
class _Leadership:
    """The answers of one instance under one token."""

    token: int
    instance: str
    answers: Sequence[Answer]

    @property
    def first_arrived(self) -> Answer:
        return min(self.answers, key=lambda answer: answer.received_at)

    @property
    def last_sent(self) -> Answer:
        return max(self.answers, key=lambda answer: answer.sent_at)

    @property
    def longest_promise(self) -> Answer:
        return max(self.answers, key=lambda answer: answer.promised_until)


def _leaderships(answers: Iterable[Answer]) -> list[_Leadership]:
    """In order of their tokens."""
    by_token: dict[tuple[int, str], list[Answer]] = {}
    for answer in answers:
        if answer.leads:
            by_token.setdefault((answer.token or 0, answer.instance), []).append(answer)
    return [_Leadership(token, instance, by_token[token, instance]) for token, instance in sorted(by_token)]


def _goes_on(one: _Leadership, other: _Leadership) -> bool:
    """Whether a sidecar that was started again may just have gone on with its leadership: never both at a time."""
    first, second = sorted((one, other), key=lambda leadership: leadership.first_arrived.received_at)
    same = first.first_arrived.sidecar == second.first_arrived.sidecar
    return same and first.last_sent.sent_at < second.first_arrived.received_at


def _between(older: _Leadership, newer: _Leadership, excuses: Sequence[Excuse]) -> Iterator[str]:
    began = newer.first_arrived
    if older.token == newer.token:
        if _goes_on(older, newer):
            return
        yield f"token {older.token} has two owners: {older.first_arrived} and {began}"
        return
    if any(excuse.meddled for excuse in excuses):
        return
    if older.last_sent.sent_at >= began.received_at:
        yield f"the token went down: {began}, and after it {older.last_sent}"
    # the higher token's leadership is the later one, so its answers came after those of the lower one
    promise = older.longest_promise
    until = min([promise.promised_until, *(excuse.at for excuse in excuses)])
    if older.instance != newer.instance and began.received_at < until:
        yield f"two leaders, {until - began.received_at:.3f} s too early: {promise} was followed by {began}"
