"""A leader that dies or stands still, on real etcd."""

from collections.abc import Iterator

import pytest

from tests.support.etcd import Cluster, running
from tests.support.group import Group, sleep_ttls
from tests.support.witness import boottime

TTL_SECONDS = 2
SCAN_SECONDS = 0.5
"""etcd looks for expired leases this often."""


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Three that are all there again at each test's end."""
    folder = tmp_path_factory.mktemp("death")
    with (
        running(Cluster(folder / "etcd")) as etcd,
        Group(etcd, folder, lock="/faults/death", names=("a", "b", "c"), ttl_seconds=TTL_SECONDS) as group,
    ):
        yield group


@pytest.fixture(autouse=True)
def judge(group: Group) -> Iterator[None]:
    yield
    group.witness.check()


def test_a_killed_leader_is_followed_by_the_next_in_the_queue_when_its_lease_has_run_out(group: Group) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    killed_at = boottime()
    leader.kill()
    successor = group.wait_for_first_answer_of_a_leader(killed_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert successor.received_at - killed_at < TTL_SECONDS + SCAN_SECONDS + TTL_SECONDS / 2
    assert group.settle(without=[leader]).identity == queue[1]
    assert group.names_in_queue() == queue[1:]
    leader.start()
    group.settle()


def test_a_leader_that_stood_still_longer_than_the_ttl_first_says_that_it_does_not_lead(group: Group) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    token, frozen_at = group.token(leader), boottime()
    leader.freeze()
    successor = group.wait_for_first_answer_of_a_leader(frozen_at, other_than=leader)
    assert successor.sidecar == queue[1]
    thawed_at = boottime()
    leader.thaw()
    first = group.witness.wait_for_answer(leader, since=thawed_at)
    assert first.sent_at < thawed_at, "it was asked while it stood still, so this is its very first answer"
    assert first.status == 503
    leader.wait_until_waiting()
    assert group.settle().identity == queue[1]
    assert group.names_in_queue() == [*queue[1:], queue[0]]
    assert group.token(group[queue[1]]) > token


def test_a_leader_that_stood_still_for_less_than_its_lease_goes_on_leading(group: Group) -> None:
    leader = group.settle()
    token = group.token(leader)
    leader.freeze()
    sleep_ttls(group, 0.25)
    leader.thaw()
    assert group.settle() is leader
    assert group.token(leader) == token
