"""Promise 3, explored whole: from the moment a leader's label is accepted, no other pod bears it that is not ending.

And its counterpart: from every world that can come about, once nothing more goes wrong, the label becomes right.
"""

import functools

import pytest

from tests.model.label_search import Found, explore
from tests.model.label_world import WITH_ROLE, Budget, Laws, first_world, is_settled, moves


def search(leaders: int, budget: Budget, *, labelled: bool = False, laws: Laws = Laws()) -> Found:  # noqa: B008 frozen
    start = first_world(laws.scheme, leaders, budget, labelled=labelled)
    found = explore(start, functools.partial(moves, laws), is_settled, fair=bool(budget.rollbacks))
    print(f"{found.states} states: {leaders} leaders, {budget}, {laws}")  # noqa: T201 the issue asks for the number
    for number, move in enumerate(found.trace, 1):
        print(f"{number:3} {move}")  # noqa: T201
    return found


@pytest.mark.parametrize(
    ("budget", "labelled", "laws"),
    [
        pytest.param(Budget(3), False, Laws(), id="three elections"),
        pytest.param(Budget(2, lost=1), False, Laws(), id="a write is lost, held up or overtaken, from the start"),
        pytest.param(Budget(2, lost=1), True, Laws(policy=False), id="the same, without the policy"),
        pytest.param(Budget(2, lost=1, repeats=1), True, Laws(), id="a late write arrives twice"),
        pytest.param(Budget(2, deaths=1), False, Laws(), id="a sidecar dies, or starts again"),
        pytest.param(Budget(2, deaths=1), False, Laws(policy=False), id="the same, without the policy (death)"),
        pytest.param(Budget(2, news=1), False, Laws(), id="kubelet writes to a pod"),
        pytest.param(Budget(2, endings=1), False, Laws(), id="a pod ends"),
        pytest.param(Budget(2, endings=1), False, Laws(native=True), id="a pod ends, native form"),
        pytest.param(Budget(2, rebirths=1), False, Laws(), id="a pod is replaced by one of its name"),
        pytest.param(Budget(3, rollbacks=1), True, Laws(), id="etcd goes back"),
        pytest.param(Budget(2, lost=1), True, Laws(scheme=WITH_ROLE), id="the user's label, and a write is lost"),
    ],
)
def test_two_leaders_never_both_bear_the_label_and_it_becomes_right(
    budget: Budget, *, labelled: bool, laws: Laws
) -> None:
    found = search(2, budget, labelled=labelled, laws=laws)
    assert not found.problem, found.trace
    assert found.states > 1000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("leaders", "budget", "laws"),
    [
        pytest.param(3, Budget(3, lost=1), Laws(), id="three leaders and a lost write"),
        pytest.param(2, Budget(3, rollbacks=1), Laws(scheme=WITH_ROLE), id="the user's label, and etcd goes back"),
        pytest.param(3, Budget(3, endings=1), Laws(native=True), id="three leaders and an ending pod, native form"),
        pytest.param(2, Budget(2, lost=2), Laws(policy=False), id="two lost writes, without the policy"),
        pytest.param(2, Budget(2, lost=1, deaths=1), Laws(), id="a lost write and a death"),
        pytest.param(2, Budget(2, lost=1, endings=1), Laws(native=True), id="a lost write and an ending pod, native"),
    ],
)
def test_more_leaders_and_more_faults_together_break_nothing(leaders: int, budget: Budget, laws: Laws) -> None:
    found = search(leaders, budget, labelled=True, laws=laws)
    assert not found.problem, found.trace
    assert found.states > 10_000


@pytest.mark.parametrize("policy", [True, False])
def test_the_search_finds_two_leaders_when_step_one_is_left_out(
    policy: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = search(2, Budget(2), laws=Laws(policy=policy, skip_electing=True))
    assert "becomes leader while" in found.problem
    assert found.trace
    assert found.trace[-1] in capsys.readouterr().out


def test_the_search_finds_two_leaders_when_versions_are_not_compared() -> None:
    found = search(2, Budget(2, lost=1), labelled=True, laws=Laws(policy=False, ignore_versions=True))
    assert "becomes leader while" in found.problem
