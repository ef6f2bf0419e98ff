"""The route's promise, explored whole: no revision of the slice names a pod by a token below one accepted before.

And its counterpart: from every world that can come about, once nothing more goes wrong, the slice becomes right.
"""

import functools

import pytest

from tests.model.label_search import Found, explore
from tests.model.route_world import Budget, Laws, first_world, is_settled, moves


def search(leaders: int, budget: Budget, laws: Laws = Laws(), *, started: bool = False) -> Found:  # noqa: B008 frozen
    laws = laws if not budget.deaths else Laws(laws.ignore_versions, laws.ignore_tokens, accounts=False)
    start = first_world(leaders, budget, started=started)
    found = explore(start, functools.partial(moves, laws), is_settled, fair=bool(budget.rollbacks or budget.overlaps))
    print(f"{found.states} states: {leaders} leaders, {budget}, {laws}")  # noqa: T201 the issue asks for the number
    for number, move in enumerate(found.trace, 1):
        print(f"{number:3} {move}")  # noqa: T201
    return found


@pytest.mark.parametrize(
    ("leaders", "budget"),
    [
        pytest.param(2, Budget(3), id="three elections"),
        pytest.param(2, Budget(2, lost=1), id="a write is lost, held up or overtaken"),
        pytest.param(2, Budget(2, lost=1, overlaps=1), id="a leader believes too long, and a write is lost"),
        pytest.param(2, Budget(2, overlaps=1, deaths=1), id="a leader believes too long, and a sidecar dies"),
        pytest.param(2, Budget(2, news=1), id="the Service's ports change"),
        pytest.param(2, Budget(2, rollbacks=1), id="etcd goes back"),
    ],
)
def test_a_slice_never_names_a_pod_with_a_token_below_an_accepted_one_and_it_becomes_right(
    leaders: int, budget: Budget
) -> None:
    found = search(leaders, budget)
    assert not found.problem, found.trace
    assert found.states > 1000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("leaders", "budget"),
    [
        pytest.param(3, Budget(3), id="three leaders"),
        pytest.param(3, Budget(3, overlaps=1), id="three leaders of whom one believes too long"),
        pytest.param(2, Budget(2, lost=2), id="two lost writes"),
        pytest.param(2, Budget(2, lost=1, repeats=1), id="a late write arrives twice"),
        pytest.param(2, Budget(2, lost=1, deaths=1), id="a lost write, and a sidecar dies or starts again"),
        pytest.param(2, Budget(3, overlaps=2), id="leaders believe too long, twice"),
        pytest.param(2, Budget(3, rollbacks=1), id="etcd goes back, with three elections"),
        pytest.param(2, Budget(3, lost=1, overlaps=1), id="three elections, a lost write, a belief too long"),
        pytest.param(2, Budget(2, lost=1, rollbacks=1), id="etcd goes back, and a write is lost"),
        pytest.param(2, Budget(2, lost=1, news=1), id="ports change, and a write is lost"),
    ],
)
def test_more_leaders_and_more_faults_together_break_nothing(leaders: int, budget: Budget) -> None:
    found = search(leaders, budget, started=leaders > 2)
    assert not found.problem, found.trace
    assert found.states > 10_000


def test_the_search_finds_a_lower_token_when_versions_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    found = search(2, Budget(2, lost=1), Laws(ignore_versions=True, accounts=False))
    assert "is accepted after token" in found.problem
    assert found.trace[-1] in capsys.readouterr().out


def test_the_search_finds_a_lower_token_when_tokens_are_not_compared() -> None:
    found = search(2, Budget(2, overlaps=1), Laws(ignore_tokens=True, accounts=False))
    assert "is accepted after token" in found.problem
