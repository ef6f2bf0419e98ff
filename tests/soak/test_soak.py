"""A tenth of what ``make soak`` runs."""

import pytest

from tests.soak import commands
from tests.soak.rounds import soak


@pytest.mark.slow
@pytest.mark.tools
@pytest.mark.timeout(900)
def test_rounds_of_drawn_faults_break_no_promise_and_end_with_one_leader() -> None:
    done = soak(rounds=5, seed=1, say=print)
    assert done.rounds == 5
    assert done.answers > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rounds_of_drawn_faults_never_let_two_commands_of_exec_live_at_the_same_time() -> None:
    assert commands.soak(rounds=10, seed=1, say=print) > 10
