"""Every state of a small queue, driven by the production core: who leads has the first key, and nobody is left behind.

A path may have as many faults as its limits say, in any order, at any moment. ``pytest -s`` prints the states.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sidecar.election import resume, transitions
from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.election.resume import Owner, Place
from tests.model import queue_moves, queue_world
from tests.model.queue_moves import EARLY, KINDS, Limits
from tests.model.queue_search import Found, search

TWO_OF = [
    ("lost answer", "late"),
    ("lost answer", "watch"),
    ("late", "terminate"),
    ("transfer", "late"),
    ("transfer", "lost answer"),
    ("transfer", "terminate"),
    ("transfer", "watch"),
    ("delete", "lost answer"),
    ("delete", "watch"),
]
"""Faults that two candidates meet twice, in every mixture: what remains for `make test-all` takes minutes."""


def shown(found: Found, what: str) -> None:
    print(f"{what}: {found.states} states")  # noqa: T201  # the count is part of what is shown
    assert found.violation is None, str(found)


LONG = {"transfer", "unhealthy", "restart", "hold"}
"""These take three candidates up to a minute; two meet them in every run."""


@pytest.mark.parametrize("kind", sorted(LONG))
def test_two_candidates_bear_any_one_of_the_long_ones(kind: str) -> None:
    shown(search(2, Limits(1, kinds=frozenset({kind}))), f"2 candidates, {kind}")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] if kind in LONG else []) for kind in sorted(KINDS - {"overwrite"})],
)
def test_three_candidates_bear_any_one_fault(kind: str) -> None:
    shown(search(3, Limits(1, kinds=frozenset({kind}))), f"3 candidates, {kind}")


@pytest.mark.parametrize("kinds", TWO_OF, ids="+".join)
def test_two_candidates_bear_two_faults(kinds: tuple[str, ...]) -> None:
    shown(search(2, Limits(2, each=2, kinds=frozenset(kinds))), f"2 candidates, twice of {kinds}")


def test_two_candidates_bear_a_key_moved_to_another_lease() -> None:
    shown(search(2, Limits(1, kinds=frozenset({"overwrite"}))), "2 candidates, overwrite")


def test_two_candidates_bear_a_lease_that_etcd_ends_early() -> None:
    found = search(2, Limits(1, kinds=frozenset({EARLY})), noting=True)
    shown(found, "2 candidates that note who leads, early")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["terminate", "lost answer", "watch"])
def test_two_candidates_bear_a_lease_that_etcd_ends_early_and_another_fault(kind: str) -> None:
    found = search(2, Limits(2, kinds=frozenset({EARLY, kind})), noting=True)
    shown(found, f"2 candidates that note who leads, early and {kind}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kinds",
    [
        ("lapse", "late renewal"),
        ("lapse", "late"),
        ("lapse", "resign"),
        ("lapse", "term"),
        ("lapse", "delete"),
        ("overwrite", "lost answer"),
        ("overwrite", "watch"),
        ("late", "hold"),
        ("late", "resign"),
        ("resign", "terminate"),
        ("transfer", "delete"),
        ("delete", "late"),
    ],
    ids="+".join,
)
def test_two_candidates_bear_two_graver_faults(kinds: tuple[str, ...]) -> None:
    shown(search(2, Limits(2, each=2, kinds=frozenset(kinds))), f"2 candidates, twice of {kinds}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kinds",
    [
        ("late", "unhealthy"),
        ("lost answer", "unhealthy"),
        ("unhealthy", "terminate"),
        ("unhealthy", "transfer"),
        ("restart", "lost answer"),
        ("restart", "resign"),
        ("restart", "transfer"),
        ("restart", "terminate"),
        ("restart", "watch"),
        ("restart", "delete"),
        ("restart", "lapse"),
        ("restart", "term"),
        ("restart", "late"),
    ],
    ids="+".join,
)
def test_two_candidates_bear_one_each_of_two_graver_faults(kinds: tuple[str, ...]) -> None:
    shown(search(2, Limits(2, kinds=frozenset(kinds))), f"2 candidates, {kinds}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kinds", [("lost answer", "watch", "late"), ("delete", "watch"), ("overwrite",)], ids="+".join)
def test_three_candidates_bear_two_faults(kinds: tuple[str, ...]) -> None:
    shown(search(3, Limits(2 if len(kinds) > 1 else 1, kinds=frozenset(kinds))), f"3 candidates, two of {kinds}")


@pytest.fixture
def fresh_core() -> Iterator[None]:
    """The world remembers what the core answered: not across a core that was broken on purpose."""
    queue_world.forget_answers()
    yield
    queue_world.forget_answers()


@pytest.mark.usefixtures("fresh_core")
def test_the_search_finds_a_leader_that_overlooks_its_lost_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "_is_mine", lambda candidate, key: True)
    found = search(2, Limits(1, kinds=frozenset({"delete"})))
    assert found.violation is not None
    assert "leads, its key is gone" in found.violation


@pytest.mark.usefixtures("fresh_core")
def test_the_search_finds_one_that_does_not_wait_for_a_lead_that_was_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transitions, "verdict_waits_until", lambda *_, **__: None)
    found = search(2, Limits(1, kinds=frozenset({EARLY})), noting=True)
    assert found.violation is not None
    assert "lead" in found.violation
    assert found.path[-1]


@pytest.mark.usefixtures("fresh_core")
def test_the_search_finds_a_wake_up_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    watches = Candidate.watches
    monkeypatch.setattr(
        Candidate, "watches", lambda me: {name: since for name, since in watches(me).items() if name == me.name}
    )
    found = search(2, Limits(1, kinds=frozenset({"terminate"})))
    assert found.violation is not None
    assert "nothing but a fault leads to one leader" in found.violation


@pytest.mark.usefixtures("fresh_core")
def test_the_search_finds_a_place_that_is_resumed_with_its_release_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def place_of_whoever_has_a_key(candidate: Candidate, owner: Owner) -> Place | None:
        return resume.place_of(replace(candidate, phase=Phase.WAITING), owner)

    monkeypatch.setattr(queue_moves, "place_of", place_of_whoever_has_a_key)
    found = search(2, Limits(2, kinds=frozenset({"restart", "resign"})))
    assert found.violation is not None
    assert "lead" in found.violation
