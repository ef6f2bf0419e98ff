"""What happens to the members of a three-member etcd, and what sidecars make of it.

A leader of etcd that is thawed may revoke healthy leases: 3.5.1 does after its disk was stuck, and every version up to
3.7 does, more often than not, after the process itself stood still (its raft loop ticks once before it hears of the new
leader, so ``ensureLeadership`` in etcd's ``server/etcdserver/server.go`` asks nobody).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.conftest import DISTRO, programs
from tests.support.children import Deadline
from tests.support.disk import Disk, DiskUnavailable, mounted_disk
from tests.support.etcd import Cluster, Member, running
from tests.support.group import Group, metric, sleep_ttls
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

ETCD_3_6 = pytest.param("etcd 3.6", marks=pytest.mark.tools)
TTL_SECONDS = 6
"""An etcd election, 0.6 to 2 s here, is less than what a renewal may be late."""
THAW_TTL_SECONDS = 3


@contextmanager
def three_members(folder: Path, version: str) -> Iterator[Cluster]:
    with running(Cluster(folder / "etcd", size=3, programs=programs(version))) as cluster:
        yield cluster


def endpoints_from(cluster: Cluster, member: Member) -> list[str]:
    """All of them, this member's first: a sidecar begins with the first."""
    return [member.url, *(other.url for other in cluster.members if other is not member)]


def leads_throughout(group: Group, leader: SidecarProcess, token: int, since: float) -> None:
    """It answered 200 to every request since then, with the same token."""
    assert group.settle() is leader
    assert group.token(leader) == token
    assert all(answer.leads for answer in group.witness.answers(leader, since=since))


@pytest.mark.parametrize("version", [DISTRO, ETCD_3_6])
def test_the_death_of_etcds_leader_costs_nobody_the_lead(tmp_path: Path, version: str) -> None:
    with three_members(tmp_path, version) as etcd:
        dying = etcd.leader()
        endpoints = endpoints_from(etcd, dying)
        with Group(etcd, tmp_path, lock="/faults/k", ttl_seconds=TTL_SECONDS, endpoints=endpoints) as group:
            leader = group.settle()
            token, since = group.token(leader), boottime()
            dying.kill()
            sleep_ttls(group, 2)
            leads_throughout(group, leader, token, since)
            dying.start()
            dying.wait_ready()
            sleep_ttls(group, 1)
            leads_throughout(group, leader, token, since)


@pytest.mark.parametrize("version", [DISTRO, ETCD_3_6])
def test_a_member_that_falls_silent_is_left_for_another_without_losing_the_lead(tmp_path: Path, version: str) -> None:
    with three_members(tmp_path, version) as etcd:
        silent = next(member for member in etcd.members if member is not etcd.leader())
        endpoints = endpoints_from(etcd, silent)
        with Group(etcd, tmp_path, lock="/faults/s", ttl_seconds=TTL_SECONDS, endpoints=endpoints) as group:
            leader = group.settle()
            token, since = group.token(leader), boottime()
            silent.freeze()
            sleep_ttls(group, 2)
            leads_throughout(group, leader, token, since)
            assert metric(leader, f'leader_sidecar_endpoint_info{{address="127.0.0.1",endpoint="{silent.url}"}}') == 0
            (waiter,) = group.others(leader)
            group.witness.excuse_resign(token)
            resigned_at = boottime()
            assert leader.resign()[0] == 204
            successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
            assert successor.sidecar == waiter.identity
            assert successor.received_at - resigned_at < TTL_SECONDS / 2, "its watches have moved as well"
            silent.thaw()


def test_members_restarted_one_by_one_cost_nobody_the_lead(tmp_path: Path) -> None:
    with (
        three_members(tmp_path, DISTRO) as etcd,
        Group(etcd, tmp_path, lock="/faults/r", ttl_seconds=TTL_SECONDS) as group,
    ):
        leader = group.settle()
        token, since = group.token(leader), boottime()
        for member in etcd.members:
            member.restart()
            etcd.leader()
        sleep_ttls(group, 1)
        leads_throughout(group, leader, token, since)


def test_a_lost_quorum_ends_with_the_same_leader_and_the_same_token(tmp_path: Path) -> None:
    with (
        three_members(tmp_path, DISTRO) as etcd,
        Group(etcd, tmp_path, lock="/faults/q", ttl_seconds=TTL_SECONDS) as group,
    ):
        leader = group.settle()
        token = group.token(leader)
        for member in etcd.members[1:]:
            member.kill()
        leader.wait_for("past its validity", lambda body: body["state"] == "unconfirmed", status=503)
        sleep_ttls(group, 1)
        assert not any(sidecar.leads() for sidecar in group.sidecars)
        for member in etcd.members[1:]:
            member.start()
        assert leader.wait_until_leading()["token"] == token
        assert group.settle() is leader


@pytest.mark.parametrize("version", [DISTRO, ETCD_3_6])
def test_etcds_leader_frozen_longer_than_the_ttl_costs_nobody_the_lead_before_it_thaws(
    tmp_path: Path, version: str
) -> None:
    with three_members(tmp_path, version) as etcd:
        frozen = etcd.leader()
        endpoints = endpoints_from(etcd, frozen)
        with Group(etcd, tmp_path, lock="/faults/f", ttl_seconds=TTL_SECONDS, endpoints=endpoints) as group:
            leader = group.settle()
            token, since = group.token(leader), boottime()
            frozen.freeze()
            sleep_ttls(group, 2)
            leads_throughout(group, leader, token, since)


@pytest.mark.parametrize("version", [DISTRO, ETCD_3_6])
def test_a_thawed_leader_of_etcd_that_revokes_leases_in_use_never_makes_two_leaders(
    tmp_path: Path, version: str
) -> None:
    """The witness sees to it; in two of three thaws etcd does so."""
    with (
        three_members(tmp_path, version) as etcd,
        Group(etcd, tmp_path, lock="/faults/t", names=["a", "b", "c"], ttl_seconds=THAW_TTL_SECONDS) as group,
    ):
        for _ in range(3):
            leader, frozen = group.settle(), etcd.leader()
            token = group.token(leader)
            frozen.freeze()
            sleep_ttls(group, 2.5)
            frozen.thaw()
            sleep_ttls(group, 2.5)
            after = group.settle()
            assert after is leader or group.token(after) > token


DISK_TTL_SECONDS = 3


@contextmanager
def led_from_a_disk_of_its_own(folder: Path, version: str) -> Iterator[tuple[Cluster, Disk]]:
    """Three members; the first leads, and its data are on the disk."""
    try:
        with mounted_disk(folder / "image", folder / "disk") as disk:
            etcd = Cluster(folder / "etcd", size=3, programs=programs(version))
            etcd.members[0].data = disk.folder / "data"
            with running(etcd):
                if etcd.leader() is not etcd.members[0]:
                    etcd.move_leader(etcd.members[0])
                yield etcd, disk
    except DiskUnavailable as why:
        pytest.skip(f"no disk to freeze: {why}")


def wait_for_another_etcd_leader(etcd: Cluster) -> None:
    """The stuck one shows only when something is to be written."""
    with suppress(AssertionError):
        etcd.ctl("put", "/elsewhere", "x", "--command-timeout=2s", endpoints=[etcd.members[1].url])
    deadline = Deadline(60)
    while deadline.goes_on() and etcd.leader() is etcd.members[0]:
        pass
    assert etcd.leader() is not etcd.members[0]


@pytest.mark.parametrize("version", [DISTRO, ETCD_3_6])
def test_a_frozen_disk_deceives_no_sidecar_that_knows_no_other_member(tmp_path: Path, version: str) -> None:
    with led_from_a_disk_of_its_own(tmp_path, version) as (etcd, disk):
        stuck, *others = [member.url for member in etcd.members]
        endpoints = {"deceived": [stuck], "b": others}
        with Group(
            etcd, tmp_path, lock="/faults/d", names=list(endpoints), ttl_seconds=DISK_TTL_SECONDS, endpoints=endpoints
        ) as group:
            deceived = group["deceived"]
            group.let_lead(deceived)
            sleep_ttls(group, 1)  # with a commit under way etcd would not even answer a keepalive
            with disk.frozen():
                frozen_at = boottime()
                wait_for_another_etcd_leader(etcd)
                successor = group.wait_for_first_answer_of_a_leader(frozen_at, other_than=deceived)
                heard = metric(deceived, "leader_sidecar_keepalive_seconds_count")
                sleep_ttls(group, 1)
                assert not [a for a in group.witness.answers(deceived, since=successor.received_at) if a.leads]
                if version == DISTRO:
                    assert metric(deceived, "leader_sidecar_keepalive_seconds_count") > heard, "heard, not believed"
            sleep_ttls(group, 1)  # 3.5.1 revokes what is in use: the witness sees what comes of it
            group.settle()
            assert deceived.leader()[1]["leader"] == "b" or version == DISTRO


@pytest.mark.parametrize("version", [ETCD_3_6])
def test_a_frozen_disk_costs_nobody_the_lead_who_knows_another_member(tmp_path: Path, version: str) -> None:
    with led_from_a_disk_of_its_own(tmp_path, version) as (etcd, disk):
        endpoints = endpoints_from(etcd, etcd.members[0])
        with Group(etcd, tmp_path, lock="/faults/e", ttl_seconds=TTL_SECONDS, endpoints=endpoints) as group:
            leader = group.settle()
            token, since = group.token(leader), boottime()
            with disk.frozen():
                wait_for_another_etcd_leader(etcd)
                sleep_ttls(group, 2)
                leads_throughout(group, leader, token, since)
            sleep_ttls(group, 1)
            leads_throughout(group, leader, token, since)
