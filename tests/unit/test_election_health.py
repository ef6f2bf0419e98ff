"""When a pod stands in line, by its workload's health: thresholds, cool-down, and the escape when all are unhealthy."""

import math
from dataclasses import dataclass, field

import pytest

from sidecar.election.health import YIELD_SECONDS, Health, HealthRules, checked, looked, wants_look

RULES = HealthRules(failures=3, successes=2, cool_down_seconds=10.0)
ESCAPING = HealthRules(failures=1, successes=1, cool_down_seconds=10.0, ignore_after_seconds=30.0)


@dataclass
class Pod:
    """Its time goes by itself: a second for each result of the check."""

    rules: HealthRules
    now: float = 100.0
    health: Health = field(default_factory=Health)

    def check(self, results: str) -> "Pod":
        """``+`` for a success, ``-`` for a failure."""
        for result in results:
            self.now += 1.0
            self.health = checked(self.health, well=result == "+", now=self.now, rules=self.rules)
        return self

    def look(self, others: int = 0, *, leads: bool = False, after: float = 0.0) -> "Pod":
        self.now += after
        self.health = looked(self.health, others=others, leads=leads, now=self.now, rules=self.rules)
        return self

    @property
    def stands(self) -> bool:
        return self.health.stands


@pytest.mark.parametrize(
    ("results", "stands"),
    [
        ("", False),
        ("---", False),
        ("+", False),
        ("+-+", False),
        ("++", True),
        ("--++", True),
        ("++--", True),
        ("++--+--", True),
        ("++---", False),
    ],
)
def test_so_many_results_in_a_row_change_whether_it_stands_in_line(results: str, stands: bool) -> None:
    assert Pod(RULES).check(results).stands is stands


def test_one_that_starts_stands_in_line_at_once_when_it_is_healthy() -> None:
    pod = Pod(RULES).check("----------++")
    assert pod.stands


def test_one_that_was_unhealthy_stands_in_line_again_only_after_the_cool_down() -> None:
    pod = Pod(RULES).check("++---").check("++")
    assert pod.health.healthy
    assert not pod.check("+" * 9).stands
    assert pod.check("+").stands


def test_a_single_failure_in_the_cool_down_does_not_prolong_it_but_being_unhealthy_does() -> None:
    assert Pod(RULES).check("++---++").check("+-+-+-+-+-").check("+").stands
    pod = Pod(RULES).check("++---++").check("+++---++")
    assert not pod.check("+" * 9).stands
    assert pod.check("+").stands


def test_a_failure_never_makes_it_stand_in_line_however_long_it_was_well() -> None:
    pod = Pod(RULES).check("++---++" + "+" * 9)
    assert not pod.check("--").stands
    assert pod.check("+").stands


def test_a_flapping_one_leads_at_most_once_in_a_cool_down() -> None:
    pod = Pod(ESCAPING).check("+")
    seen = [pod.check(result).stands for result in "-+" * 100]
    assert not any(seen)


def test_a_flapping_one_stays_out_though_its_check_takes_longer_than_the_cool_down() -> None:
    pod = Pod(HealthRules(failures=2, successes=1, cool_down_seconds=0.5)).check("+")
    seen = [pod.check(result).stands for result in "--+" * 100]
    assert not any(seen[1:])


def test_without_an_escape_nobody_looks_at_the_queue_and_an_unhealthy_one_never_stands() -> None:
    pod = Pod(RULES).check("---")
    assert not wants_look(pod.health, RULES)
    assert not pod.look(after=math.inf).stands


def test_when_nobody_stands_in_line_for_long_enough_an_unhealthy_one_does() -> None:
    pod = Pod(ESCAPING).check("-")
    assert not pod.look().look(after=29.9).stands
    assert pod.look(after=0.1).stands
    assert pod.check("--").stands, "its failures do not count then"


def test_somebody_in_the_queue_begins_the_wait_anew() -> None:
    pod = Pod(ESCAPING).check("-").look().look(others=1, after=29.0)
    assert not pod.look(after=1.0).look(after=29.9).stands
    assert pod.look(after=0.1).stands


def test_one_whose_cool_down_goes_on_may_escape_it_too() -> None:
    rules = HealthRules(1, 1, cool_down_seconds=1000.0, ignore_after_seconds=30.0)
    pod = Pod(rules).check("+-+").look()
    assert pod.look(after=30.0).stands


def escaped() -> Pod:
    return Pod(ESCAPING).check("-").look().look(after=30.0)


def test_an_unhealthy_one_that_waits_behind_another_leaves_at_once() -> None:
    assert not escaped().look(others=1).stands


def test_an_unhealthy_leader_stays_alone_and_leaves_to_who_stays_behind_it() -> None:
    pod = escaped().look(leads=True, after=1000.0)
    assert pod.look(others=1, leads=True).look(others=1, leads=True, after=YIELD_SECONDS - 0.1).stands
    assert not pod.look(others=1, leads=True, after=0.1).stands


def test_who_leaves_soon_is_not_yielded_to() -> None:
    pod = escaped().look(others=1, leads=True).look(leads=True, after=5.0)
    assert pod.look(others=1, leads=True, after=5.0).look(others=1, leads=True, after=5.0).stands


def test_an_unhealthy_one_that_stands_and_gets_well_stays_and_is_judged_by_its_health_again() -> None:
    pod = escaped().check("+")
    assert pod.look(others=1, leads=True).look(others=1, leads=True, after=1000.0).stands
    assert not wants_look(pod.health, ESCAPING)
    assert not pod.check("-").stands


def test_after_it_has_left_the_wait_begins_anew() -> None:
    pod = escaped().look(others=1)
    assert not pod.look(after=29.0).stands
    assert not pod.look(after=29.9).stands
    assert pod.look(after=0.1).stands
