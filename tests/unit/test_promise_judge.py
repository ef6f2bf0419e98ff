"""The judge of promise 1 in integration tests and soak: it must accuse the guilty, and nobody else."""

import pytest

from tests.support.promise import Answer, Excuse, violations


def leads(sidecar: str, token: int, sent_at: float, valid_for_ms: int = 2000, took: float = 0.01) -> Answer:
    return Answer(sidecar, f"{sidecar}-1", sent_at, sent_at + took, 200, "leading", token, valid_for_ms)


def waits(sidecar: str, sent_at: float) -> Answer:
    return Answer(sidecar, f"{sidecar}-1", sent_at, sent_at + 0.01, 503, "waiting")


INNOCENT = {
    "one leader after another's promise has passed": [leads("a", 5, 10.0), waits("b", 11.0), leads("b", 7, 12.0)],
    "a leader follows itself with a new key": [leads("a", 5, 10.0), leads("a", 7, 10.1)],
    "the promise counts from the sending": [leads("a", 5, 10.0, took=0.5), leads("b", 7, 12.1)],
    "an answer that may have come late enough": [leads("a", 5, 10.0), leads("b", 7, 11.9, took=0.2)],
    "a request that hung while others led": [
        leads("b", 7, 11.0, valid_for_ms=100),
        leads("a", 9, 10.0, valid_for_ms=2000, took=5.0),
    ],
    "a restarted sidecar that goes on with its own lead": [
        leads("a", 5, 10.0),
        Answer("a", "a-0", 11.0, 11.1, 200, "leading", 5, 900),
        leads("b", 7, 12.1),
    ],
    "followers only": [waits("a", 10.0), waits("b", 10.0)],
}


@pytest.mark.parametrize("answers", INNOCENT.values(), ids=INNOCENT)
def test_lawful_answers_are_not_accused(answers: list[Answer]) -> None:
    assert violations(answers) == []


GUILTY = {
    "another leads within the promise": ([leads("a", 5, 10.0), leads("b", 7, 11.5)], "two leaders"),
    "the old leader speaks again": (
        [leads("a", 5, 10.0, valid_for_ms=1), leads("b", 7, 12.0, valid_for_ms=1), leads("a", 5, 13.0)],
        "the token went down",
    ),
    "a restarted sidecar is another one": (
        [leads("a", 5, 10.0), Answer("a", "a-2", 11.0, 11.1, 200, "leading", 7, 900)],
        "two leaders",
    ),
    "a restarted sidecar beside its earlier run": (
        [leads("a", 5, 10.0), leads("a", 5, 12.0), Answer("a", "a-2", 11.0, 11.1, 200, "leading", 5, 900)],
        "two owners",
    ),
    "what was promised before a restart": (
        [leads("a", 5, 10.0), Answer("a", "a-2", 10.5, 10.6, 200, "leading", 5, 100), leads("b", 7, 11.5)],
        "two leaders",
    ),
    "two with one token": ([leads("a", 5, 10.0), leads("b", 5, 20.0)], "two owners"),
}


@pytest.mark.parametrize(("answers", "accusation"), GUILTY.values(), ids=GUILTY)
def test_a_broken_promise_is_found(answers: list[Answer], accusation: str) -> None:
    assert [found for found in violations(answers) if accusation in found]


def test_the_order_of_the_notes_does_not_matter() -> None:
    answers = [leads("b", 7, 11.5), waits("a", 9.0), leads("a", 5, 10.0)]
    assert violations(answers) == violations(answers[::-1]) != []


def test_a_resign_ends_the_promise_then_and_not_before() -> None:
    answers = [leads("a", 5, 10.0), leads("b", 7, 11.0)]
    assert violations(answers, [Excuse(5, at=10.9)]) == []
    assert violations(answers, [Excuse(5, at=11.5)]) != []
    assert violations(answers, [Excuse(7, at=10.9)]) != []


def test_one_excuse_does_not_undo_another() -> None:
    answers = [leads("a", 5, 10.0), leads("b", 7, 11.0)]
    meddled, resigned = Excuse(5, at=10.4, meddled=True), Excuse(5, at=11.5)
    assert violations(answers, [meddled, resigned]) == violations(answers, [resigned, meddled]) == []


def test_after_a_resign_the_old_leader_must_still_be_silent() -> None:
    answers = [leads("a", 5, 10.0), leads("b", 7, 11.0), leads("a", 5, 11.1)]
    assert violations(answers, [Excuse(5, at=10.5)]) != []


def test_meddling_excuses_the_leadership_meddled_with_and_no_other() -> None:
    answers = [leads("a", 5, 10.0), leads("b", 7, 10.5), leads("a", 5, 10.6), leads("c", 9, 11.0)]
    found = violations(answers, [Excuse(5, at=10.4, meddled=True)])
    assert len(found) == 1
    assert "sidecar='b'" in found[0]
    assert "sidecar='c'" in found[0]
