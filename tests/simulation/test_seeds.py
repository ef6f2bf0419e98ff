"""Promise 1 under everything that can go wrong, by seed; and that the simulation would notice if it did not hold."""

import os
import subprocess
import sys

import pytest

from tests.simulation.breaks import BREAKS
from tests.simulation.run import simulate

SEEDS = [*range(30), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 200))]
"""A tenth of what ``make soak`` runs."""
SEEDS_FOR_A_BREAK = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_promises_overlap_and_peace_brings_one_leader(seed: int) -> None:
    result = simulate(seed)
    assert not result.violations, "\n".join((*result.violations, *result.last))
    assert result.answers > 1000


def test_promises_hold_between_two_electors() -> None:
    results = [simulate(seed, electors=2, seconds=200.0) for seed in range(1000, 1008)]
    assert not [(result.seed, result.violations) for result in results if result.violations]


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_a_broken_store_is_found_out(name: str) -> None:
    for seed in SEEDS_FOR_A_BREAK:
        result = simulate(seed, new_store=BREAKS[name])
        if any("promised" in violation for violation in result.violations):
            return
    pytest.fail(f"{name}: {len(SEEDS_FOR_A_BREAK)} seeds and no two leaders")


def test_a_seed_replays_exactly() -> None:
    assert simulate(7).digest == simulate(7).digest


def test_a_seed_replays_exactly_in_another_process_whatever_its_hash_seed() -> None:
    code = "from tests.simulation.run import simulate; print(simulate(7, seconds=100.0).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1


def test_another_seed_is_another_run() -> None:
    assert simulate(7, seconds=50.0).digest != simulate(8, seconds=50.0).digest
