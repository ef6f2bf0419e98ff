"""The route on a real node: whatever moves the lead, no answer bears a token below one that was answered before.

A user of the leader's Service opens a new connection every 2 ms; each answer names its pod and the token by which it
leads. Every test ends with the judgement of all of them. With ``NODE_MANY`` in the environment there are more rounds.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.node import acts, group
from tests.node.client import Client
from tests.node.judge import longest_gap, moves, refused_seconds, went_back
from tests.node.names import Group
from tests.tools.node.waiting import wait_until

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True, slots=True)
class Rounds:
    resigns: int
    transfers: int
    deletions: int
    kills: int
    rollouts: int
    rollbacks: int


ROUNDS = Rounds(20, 20, 10, 10, 5, 2) if "NODE_MANY" in os.environ else Rounds(3, 3, 1, 1, 1, 1)

# one that states no deadlines, so that its lead moves at once, and one whose drains wait for the last of them
GROUPS = [Group("routed", routed=True, asks="verdict"), Group("stateful", "statefulset", routed=True)]

Record = Callable[[str, object], None]


@pytest.fixture(scope="module", params=GROUPS, ids=lambda of: of.kind)
def routed(request: pytest.FixtureRequest, installed: None) -> Iterator[Group]:
    of: Group = request.param
    group.start(of)
    yield of
    group.remove(of)


@pytest.fixture
def user(routed: Group, record_property: Record) -> Iterator[Client]:
    group.wait_until_whole(routed)
    with Client(group.service_address(routed), every_seconds=0.002).asking() as asking:
        wait_until(lambda: asking.last_led, 30, "an answer")
        yield asking
    assert went_back(asking.answers) == []
    refused_ms = round(refused_seconds(asking.answers) * 1000)
    print(f"{len(asking.answers)} requests, {moves(asking.answers)} moves, {refused_ms} ms without any pod's answer")
    record_property("refused_ms", refused_ms)


def repeat(of: Group, user: Client, times: int, act: Callable[[Group, str], float]) -> None:
    """Each time with a group that is whole, and until another pod answers as its leader."""
    for _ in range(times):
        leader = group.wait_until_whole(of)
        act(of, leader)
        wait_for_another(user, leader)


def wait_for_another(user: Client, than: str) -> None:
    wait_until(lambda: leads(user) != than, 60, f"an answer by another leader than {than}", 0.02)


def leads(user: Client) -> str:
    return user.last_led.pod if user.last_led is not None else ""


def assert_nobody_was_refused(user: Client) -> None:
    assert [answer for answer in user.answers if answer.failure == "ConnectionRefusedError"] == []


def test_a_resign_refuses_nobody(routed: Group, user: Client) -> None:
    repeat(routed, user, ROUNDS.resigns, acts.resign)
    assert_nobody_was_refused(user)


def test_a_transfer_refuses_nobody_and_goes_to_the_chosen_one_alone(routed: Group, user: Client) -> None:
    for _ in range(ROUNDS.transfers):
        leader = group.wait_until_whole(routed)
        chosen = acts.another(routed, leader)
        group.transfer(leader, chosen)
        wait_until(lambda chosen=chosen: leads(user) == chosen, 60, f"an answer by {chosen}", 0.02)  # type: ignore[misc]
    assert moves(user.answers) == ROUNDS.transfers
    assert_nobody_was_refused(user)


def test_a_deleted_leader_is_followed_long_before_its_lease_would_expire(routed: Group, user: Client) -> None:
    repeat(routed, user, ROUNDS.deletions, acts.delete)
    assert longest_gap(user.answers).seconds < group.TTL_SECONDS


def test_a_killed_leader_is_followed_once_its_lease_expires(routed: Group, user: Client) -> None:
    repeat(routed, user, ROUNDS.kills, acts.kill)
    assert longest_gap(user.answers).seconds < group.TTL_SECONDS + 5


def test_a_rollout_moves_the_lead_once(routed: Group, user: Client) -> None:
    """A StatefulSet's twice, when its leader is the first to be replaced: nobody of the new revision is there yet."""
    for _ in range(ROUNDS.rollouts):
        before = moves(user.answers)
        group.wait_until_whole(routed)
        acts.roll_out(routed)
        group.wait_for_rollout(routed)
        group.wait_until_whole(routed)
        assert 1 <= moves(user.answers) - before <= (2 if routed.kind == "statefulset" else 1)


def test_a_rollback_in_mid_rollout_moves_it_back_once(routed: Group, user: Client) -> None:
    for _ in range(ROUNDS.rollbacks):
        before, leader = moves(user.answers), group.wait_until_whole(routed)
        acts.roll_out(routed)
        wait_for_another(user, leader)
        acts.roll_back(routed)
        group.wait_for_rollout(routed)
        group.wait_until_whole(routed)
        assert moves(user.answers) - before <= (3 if routed.kind == "statefulset" else 2)
