"""A lead given up on purpose, on real etcd: sidecars and etcd are processes, a witness asks all the time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import Group
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

TTL_SECONDS = 3
PROMISE_SECONDS = 1.5


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Three that outlive each test's fault; the queue rotates."""
    folder = tmp_path_factory.mktemp("handover")
    with (
        running(Cluster(folder)) as etcd,
        Group(
            etcd,
            folder,
            lock="/faults/handover",
            names=("a", "b", "c"),
            ttl_seconds=TTL_SECONDS,
            flags=[f"--max-promise={PROMISE_SECONDS}"],
        ) as group,
    ):
        yield group


@pytest.fixture(autouse=True)
def judge(group: Group) -> Iterator[None]:
    yield
    group.witness.check()


def test_a_resign_hands_over_at_once_to_the_next_in_the_queue_and_rejoins_at_the_tail(group: Group) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    group.witness.excuse_resign(group.token(leader))
    resigned_at = boottime()
    assert leader.resign()[0] == 204
    successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert successor.received_at - resigned_at < PROMISE_SECONDS, "nothing is waited for"
    group.settle()
    assert group.names_in_queue() == [*queue[1:], queue[0]]


def test_a_resign_with_drain_waits_for_the_latest_deadline_handed_out(group: Group) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    resigned_at = boottime()
    assert leader.resign(drain=True)[0] == 204
    released_at, promised_until = boottime(), group.witness.promised_until(leader)
    assert released_at >= promised_until, "the key went before a promise had run out"
    assert not [answer for answer in group.witness.answers(leader, since=resigned_at + 0.1) if answer.leads]
    successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert successor.received_at - promised_until < PROMISE_SECONDS, "no longer than that"
    group.settle()
    assert group.names_in_queue() == [*queue[1:], queue[0]]


def test_a_resign_of_a_waiter_is_refused_and_changes_nothing(group: Group) -> None:
    leader = group.settle()
    token, queue = group.token(leader), group.queue()
    assert group.others(leader)[0].resign()[0] == 409
    assert group.settle() is leader
    assert (group.token(leader), group.queue()) == (token, queue)


def test_sigterm_releases_only_when_the_latest_deadline_has_passed_and_leaves_nothing_behind(group: Group) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    told_at = boottime()
    assert leader.terminate() == 0
    promised_until = group.witness.promised_until(leader)
    successor = group.wait_for_first_answer_of_a_leader(told_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert 0 <= successor.received_at - promised_until < PROMISE_SECONDS
    assert not [answer for answer in group.witness.answers(leader, since=told_at + 0.1) if answer.leads]
    assert group.names_in_queue() == queue[1:]
    leases = group.cluster.ctl("lease", "list")
    assert f"found {len(queue) - 1} leases" in leases, "its lease was given back"
    leader.start()
    group.settle()
    assert group.names_in_queue() == [*queue[1:], queue[0]]


def test_sigterm_of_a_waiter_takes_it_out_of_the_queue_and_touches_nobody_else(group: Group) -> None:
    leader = group.settle()
    token, queue = group.token(leader), group.names_in_queue()
    assert group[queue[1]].terminate() == 0
    assert group.names_in_queue() == [queue[0], queue[2]]
    group.witness.excuse_resign(token)
    resigned_at = boottime()
    assert leader.resign()[0] == 204
    successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
    assert successor.sidecar == queue[2], "the last waits on the nearest ahead of it that is left"
    group[queue[1]].start()
    group.settle()


def test_sigterm_hands_over_at_once_when_no_deadline_was_handed_out(group: Group, tmp_path: Path) -> None:
    unasked = SidecarProcess(
        "d",
        etcd_endpoints=group.cluster.only.url,
        lock_name="/faults/unasked",
        folder=tmp_path,
        ttl_seconds=TTL_SECONDS,
    )
    with unasked:
        unasked.wait_until_healthy()
        deadline = Deadline(60)
        while deadline.goes_on() and unasked.ask("/leader", probe_listener=True)[0] != 200:
            pass  # this listener promises nothing
        told_at = boottime()
        assert unasked.terminate() == 0
        assert boottime() - told_at < PROMISE_SECONDS, "there was nothing to wait for"
