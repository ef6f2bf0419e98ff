"""Somebody meddles with keys and leases (assumption b is broken): leadership goes at once, and order comes back."""

from collections.abc import Iterator

import pytest

from tests.support.etcd import Cluster, running
from tests.support.group import Group, metric, wait_for_log, wait_for_metric
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

TTL_SECONDS = 3
LOCK = "/faults/by-hand"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Two that outlive each test's fault."""
    folder = tmp_path_factory.mktemp("by-hand")
    with running(Cluster(folder)) as etcd, Group(etcd, folder, lock=LOCK, ttl_seconds=TTL_SECONDS) as group:
        yield group


@pytest.fixture(autouse=True)
def judge(group: Group) -> Iterator[None]:
    yield
    group.witness.check()


def _loses_at_once(group: Group, command: list[str]) -> None:
    """The leader whose key or lease is meddled with loses the lead at once, says why, and rejoins at the tail."""
    leader = group.settle()
    token, key, losses = group.token(leader), group.key_of(leader), _losses(leader)
    group.witness.excuse_meddling(token)
    meddled_at = boottime()
    group.cluster.ctl(*(part.format(key=key.name, lease=f"{key.lease_id:x}") for part in command))
    done_at = boottime()
    successor = group.wait_for_first_answer_of_a_leader(meddled_at, other_than=leader)
    assert successor.received_at - done_at < TTL_SECONDS / 2, "that is no expiry: it was told"
    assert successor.token is not None
    assert successor.token > token
    assert group.settle().identity == successor.sidecar
    assert group.names_in_queue() == [successor.sidecar, leader.identity]
    assert all(key.lease_id for key in group.queue())
    assert _losses(leader) == losses + 1
    later = group.witness.answers(leader, since=successor.received_at + TTL_SECONDS / 10)
    assert not [answer for answer in later if answer.leads]


def _losses(sidecar: SidecarProcess) -> float:
    """A revoked lease shows as a lost key or as a lost lease, whichever is heard of first."""
    transitions = 'leader_sidecar_transitions_total{{election="e",reason="{}"}}'
    return sum(metric(sidecar, transitions.format(reason)) for reason in ("key_lost", "lease_lost"))


def test_a_lease_revoked_by_hand_ends_the_leadership_at_once(group: Group) -> None:
    _loses_at_once(group, ["lease", "revoke", "{lease}"])


def test_a_lock_key_deleted_by_hand_ends_the_leadership_at_once(group: Group) -> None:
    _loses_at_once(group, ["del", "{key}"])


def test_a_lock_key_overwritten_without_its_lease_ends_the_leadership_and_the_key_is_cleared_away(group: Group) -> None:
    _loses_at_once(group, ["put", "{key}", "somebody"])


def test_a_lock_key_created_anew_by_hand_ends_the_leadership_even_under_the_same_lease(group: Group) -> None:
    leader = group.settle()
    token, key = group.token(leader), group.key_of(leader)
    group.witness.excuse_meddling(token)
    frozen_at = boottime()
    leader.freeze()
    group.cluster.ctl("del", key.name)
    group.cluster.ctl("put", "--lease", f"{key.lease_id:x}", key.name, leader.identity)
    leader.thaw()
    successor = group.wait_for_first_answer_of_a_leader(frozen_at, other_than=leader)
    assert group.settle().identity == successor.sidecar
    assert group.names_in_queue() == [successor.sidecar, leader.identity]
    last = [answer for answer in group.witness.answers(leader) if answer.token == token][-1]
    assert last.received_at < frozen_at + TTL_SECONDS / 2, "the old token was not used again"


def test_a_waiters_key_deleted_by_hand_costs_nobody_the_lead_and_it_stands_in_line_again(group: Group) -> None:
    leader = group.settle()
    (waiter,) = group.others(leader)
    token, key = group.token(leader), group.key_of(waiter)
    group.cluster.ctl("del", key.name)
    waiter.wait_for("in the queue again", lambda _: len(group.queue()) == 2)
    assert group.key_of(waiter).create_revision > key.create_revision
    assert group.settle() is leader
    assert group.token(leader) == token


def test_a_key_without_a_lease_that_comes_first_is_reported_and_holds_until_it_is_deleted(group: Group) -> None:
    foreign = f"{LOCK}/abc"
    leader = group.settle()
    (waiter,) = group.others(leader)
    group.cluster.ctl("put", foreign, "forgotten")
    for sidecar in (leader, waiter):  # each goes to the tail
        sidecar.wait_until_leading()
        group.witness.excuse_resign(group.token(sidecar))
        assert sidecar.resign()[0] == 204
    for sidecar in group.sidecars:
        wait_for_metric(sidecar, "leader_sidecar_first_key_without_lease", at_least=1)
        wait_for_log(sidecar, "the first key has no lease")
        assert sidecar.leader()[1]["leader"] == "forgotten"
        assert not sidecar.leads()
    group.cluster.ctl("del", foreign)
    assert group.settle().identity == leader.identity
    for sidecar in group.sidecars:
        assert metric(sidecar, "leader_sidecar_first_key_without_lease") == 0


def test_a_key_below_the_lock_that_no_candidate_can_have_is_ignored_and_reported(group: Group) -> None:
    leader = group.settle()
    (waiter,) = group.others(leader)
    group.cluster.ctl("put", f"{LOCK}/nested/lock", "not hex")
    group.witness.excuse_resign(group.token(leader))
    assert leader.resign()[0] == 204
    assert group.settle() is waiter
    wait_for_metric(leader, "leader_sidecar_ignored_keys", at_least=1)
    wait_for_log(leader, f"{LOCK}/nested/lock")
    group.cluster.ctl("del", f"{LOCK}/nested/lock")


def test_compaction_costs_nobody_the_lead_and_the_waiter_still_hears_of_its_turn(group: Group) -> None:
    leader = group.settle()
    (waiter,) = group.others(leader)
    token = group.token(leader)
    for number in range(20):
        group.cluster.ctl("put", "/elsewhere", str(number))
    group.cluster.compact()
    assert group.settle() is leader
    assert group.token(leader) == token
    group.witness.excuse_resign(token)
    resigned_at = boottime()
    assert leader.resign()[0] == 204
    successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
    assert successor.sidecar == waiter.identity
    assert successor.received_at - resigned_at < TTL_SECONDS / 2
