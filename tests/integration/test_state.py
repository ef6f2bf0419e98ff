"""``/state`` on real etcd, from real sidecars: whoever leads writes, and nothing that comes late is taken."""

import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import DISTRO, Clusters
from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import Group
from tests.support.holding import Holding, holding
from tests.support.values import CREATE, SlowPut, ask

TTL_SECONDS = 3
LONG_TTL_SECONDS = 24
"""Etcd keeps the lease through whatever is done to its holder, and an attempt at etcd has the longest deadline."""

GOES_ON_SECONDS = 60.0


@pytest.fixture(scope="module")
def group(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Two that outlive each test's fault."""
    etcd = clusters.get(DISTRO)
    with Group(etcd, tmp_path_factory.mktemp("state"), lock="/state/e", ttl_seconds=TTL_SECONDS) as group:
        yield group


@pytest.fixture
def key() -> str:
    """Of no other test."""
    return secrets.token_hex(8)


def value_in_etcd(group: Group, key: str) -> bytes:
    name = f"leader-sidecar.meta/state/{group.lock}/{key}"
    return group.cluster.ctl("get", name, "--print-value-only").strip().encode()


# in good times --------------------------------------------------------------------------------------------------------


def test_what_the_leader_puts_every_pod_reads_at_once(group: Group, key: str) -> None:
    leader = group.settle()
    put = ask(leader, "PUT", key, CREATE, b"\x00\xff1")
    assert put.status == 201
    for sidecar in group.sidecars:
        read = ask(sidecar, "GET", key)
        assert (read.status, read.content, read.etag) == (200, b"\x00\xff1", put.etag)
        assert ask(sidecar, "GET", key, {"If-None-Match": str(put.etag)}).status == 304
        head = ask(sidecar, "HEAD", key)
        assert (head.status, head.content, head.etag) == (200, b"", put.etag)


def test_a_follower_writes_nothing(group: Group, key: str) -> None:
    leader = group.settle()
    (follower,) = group.others(leader)
    assert ask(follower, "PUT", key, CREATE, b"1").status == 409
    assert ask(follower, "GET", key).status == 404
    put = ask(leader, "PUT", key, CREATE, b"1")
    assert ask(follower, "PUT", key, put.unchanged, b"2").status == 409
    assert ask(follower, "DELETE", key, put.unchanged).status == 409
    assert ask(follower, "GET", key).content == b"1"


def test_a_write_repeated_late_fails_and_the_later_value_stands(group: Group, key: str) -> None:
    leader = group.settle()
    first = ask(leader, "PUT", key, CREATE, b"1")
    second = ask(leader, "PUT", key, first.unchanged, b"2")
    third = ask(leader, "PUT", key, second.unchanged, b"3")
    assert (second.status, third.status) == (204, 204)
    assert ask(leader, "PUT", key, CREATE, b"1").status == 412
    assert ask(leader, "PUT", key, first.unchanged, b"2").status == 412
    assert ask(leader, "DELETE", key, first.unchanged).status == 412
    read = ask(leader, "GET", key)
    assert (read.content, read.etag) == (b"3", third.etag)


def test_a_deleted_value_is_gone_and_can_be_made_anew(group: Group, key: str) -> None:
    leader = group.settle()
    put = ask(leader, "PUT", key, CREATE, b"1")
    assert ask(leader, "DELETE", key, put.unchanged).status == 204
    assert ask(leader, "GET", key).status == 404
    assert ask(leader, "DELETE", key, put.unchanged).status == 412
    again = ask(leader, "PUT", key, CREATE, b"1")
    assert (again.status, again.etag != put.etag) == (201, True)


def test_the_largest_value_is_kept_and_a_larger_one_refused(group: Group, key: str) -> None:
    leader, largest = group.settle(), secrets.token_bytes(64 * 1024)
    assert ask(leader, "PUT", key, CREATE, largest).status == 201
    assert ask(leader, "GET", key).content == largest
    assert ask(leader, "PUT", f"{key}.2", CREATE, largest + b"x").status == 413
    assert ask(leader, "GET", f"{key}.2").status == 404


def test_values_stand_outside_the_queue(group: Group, key: str) -> None:
    leader, queue = group.settle(), group.queue()
    assert ask(leader, "PUT", key, CREATE, b"1").status == 201
    assert value_in_etcd(group, key) == b"1"
    assert group.queue() == queue


def test_the_successor_goes_on_from_what_the_last_leader_wrote(group: Group, key: str) -> None:
    leader = group.settle()
    put = ask(leader, "PUT", key, CREATE, b"1")
    group.witness.excuse_resign(group.token(leader))
    assert leader.resign()[0] == 204
    successor = group.settle()
    assert successor is not leader
    assert ask(leader, "PUT", key, put.unchanged, b"old").status == 409
    read = ask(successor, "GET", key)
    assert (read.content, read.etag) == (b"1", put.etag)
    assert ask(successor, "PUT", key, read.unchanged, b"2").status == 204
    assert ask(leader, "GET", key).content == b"2"


# late writes ----------------------------------------------------------------------------------------------------------


def test_a_put_sent_before_a_freeze_fails_after_the_handover_and_the_successors_value_stands(
    group: Group, key: str
) -> None:
    leader = group.settle()
    (other,) = group.others(leader)
    first = ask(leader, "PUT", key, CREATE, b"1")
    with SlowPut(leader, key, first.unchanged, b"late") as put:
        put.wait_until_asked_for_the_body()
        leader.freeze()
        put.send_the_body()
        other.wait_until_leading()
        second = ask(other, "PUT", key, first.unchanged, b"2")
        assert second.status == 204
        leader.thaw()
        # 408: it was asked for the body so long ago that it may call that late first
        assert put.answer().status in (408, 409)
    read = ask(group.settle(), "GET", key)
    assert (read.content, read.etag) == (b"2", second.etag)


@contextmanager
def held_on_the_way(folder: Path, ttl_seconds: int) -> Iterator[tuple[Group, Holding, bytes]]:
    """A leads, and what it puts in etcd with the marker in it is held back; b has a line of its own."""
    marker = secrets.token_hex(16).encode()
    with running(Cluster(folder / "etcd")) as etcd, holding(etcd.only.url, marker) as line:
        endpoints = {"a": [line.url], "b": etcd.endpoints}
        with Group(etcd, folder, lock="/state/held", ttl_seconds=ttl_seconds, endpoints=endpoints) as group:
            group.let_lead(group["a"])
            yield group, line, marker


def transactions(etcd: Cluster) -> float:
    """How many etcd has answered, done or not."""
    lines = re.findall(r'^grpc_server_handled_total{.*grpc_method="Txn".*} (\S+)$', etcd.only.metrics(), re.MULTILINE)
    return sum(map(float, lines))


def wait_for_a_transaction(etcd: Cluster, before: float) -> None:
    deadline = Deadline(GOES_ON_SECONDS)
    while deadline.goes_on():
        if transactions(etcd) > before:
            return
    raise AssertionError("the write that was held never reached etcd")


@pytest.mark.parametrize("deposed", [False, True], ids=["while it leads", "after the handover"])
def test_a_write_that_reaches_etcd_late_is_done_only_while_its_leadership_stands(
    tmp_path: Path, key: str, deposed: bool
) -> None:
    with (
        ThreadPoolExecutor() as pool,
        held_on_the_way(tmp_path, TTL_SECONDS if deposed else LONG_TTL_SECONDS) as (group, line, marker),
    ):
        a, b = group["a"], group["b"]
        first = ask(a, "PUT", key, CREATE, b"1")
        writing = pool.submit(ask, a, "PUT", key, first.unchanged, marker)
        line.wait_until_held()  # a has found that it leads, and has sent
        a.freeze()
        if deposed:
            b.wait_until_leading()  # and leaves the value alone: nothing but the leader's guard is in the way
        before = transactions(group.cluster)
        line.release()
        wait_for_a_transaction(group.cluster, before)
        assert value_in_etcd(group, key) == (b"1" if deposed else marker)
        a.thaw()
        status = writing.result(timeout=GOES_ON_SECONDS).status
        # 503: its deadline has passed meanwhile, so that it does not know
        assert status in ((409, 503) if deposed else (204, 503))
        group.settle()
        assert value_in_etcd(group, key) == (b"1" if deposed else marker)
