"""etcd goes away, is not there yet, is full, or comes back as it was before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.etcd import Cluster, running
from tests.support.group import Group, metric, sleep_ttls, wait_for_log, wait_for_metric
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

TTL_SECONDS = 2
QUOTA_BYTES = 2_000_000


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Cluster]:
    with running(Cluster(tmp_path / "etcd")) as cluster:
        yield cluster


def test_an_outage_longer_than_the_ttl_ends_with_the_same_leader_and_the_same_token(
    etcd: Cluster, tmp_path: Path
) -> None:
    with Group(etcd, tmp_path, lock="/faults/outage", ttl_seconds=TTL_SECONDS) as group:
        leader = group.settle()
        token = group.token(leader)
        etcd.kill()
        leader.wait_for("at risk, and leading", lambda body: bool(body["at_risk"]), status=200)
        leader.wait_for("past its validity", lambda body: body["state"] == "unconfirmed", status=503)
        sleep_ttls(group, 1.5)
        for sidecar in group.sidecars:
            assert not sidecar.leads()
            assert (sidecar.ask("/healthz")[0], sidecar.ask("/readyz")[0]) == (200, 200), "a restart would not help"
        etcd.start()
        assert leader.wait_until_leading()["token"] == token
        assert group.settle() is leader
        assert [change["reason"] for change in leader.ask("/history")[1]["transitions"]][:2] == ["regained", "expired"]
        assert {answer.sidecar for answer in group.witness.answers() if answer.leads} == {leader.identity}


@pytest.mark.slow
def test_an_outage_of_an_instant_costs_nobody_the_lead(etcd: Cluster, tmp_path: Path) -> None:
    ttl_seconds = 6
    with Group(etcd, tmp_path, lock="/faults/instant", ttl_seconds=ttl_seconds) as group:
        leader = group.settle()
        token, before = group.token(leader), boottime()
        etcd.restart()
        sleep_ttls(group, 1)
        assert group.settle() is leader
        assert group.token(leader) == token
        assert all(answer.leads for answer in group.witness.answers(leader, since=before))


def test_without_etcd_at_start_it_is_healthy_and_not_ready_and_joins_when_etcd_comes(tmp_path: Path) -> None:
    etcd = Cluster(tmp_path / "etcd")
    sidecar = SidecarProcess("a", etcd_endpoints=etcd.only.url, lock_name="/faults/early", folder=tmp_path)
    with sidecar:
        sidecar.wait_until_healthy()
        wait_for_metric(sidecar, "leader_sidecar_failures_total", at_least=2)
        assert sidecar.ask("/readyz")[0] == 503
        assert sidecar.ask("/healthz")[0] == 200
        assert sidecar.leader()[0] == 503
        with running(etcd):
            sidecar.wait_until_leading()
            assert sidecar.ask("/readyz")[0] == 200


def test_sigterm_while_etcd_is_away_ends_within_the_drain_timeout_and_the_lease_decides(
    etcd: Cluster, tmp_path: Path
) -> None:
    drain_seconds = 2.5
    with Group(
        etcd, tmp_path, lock="/faults/left", ttl_seconds=TTL_SECONDS, flags=[f"--drain-timeout={drain_seconds}"]
    ) as group:
        leader = group.settle()
        (waiter,) = group.others(leader)
        etcd.kill()
        told_at = boottime()
        assert leader.terminate() == 0
        assert boottime() - told_at < 2 * drain_seconds
        etcd.start()
        waiter.wait_until_leading()


def test_a_full_etcd_costs_no_lead_is_reported_and_is_joined_again_once_there_is_room(tmp_path: Path) -> None:
    with (
        running(Cluster(tmp_path / "etcd", flags=["--quota-backend-bytes", str(QUOTA_BYTES)])) as etcd,
        Group(etcd, tmp_path, lock="/faults/full", ttl_seconds=TTL_SECONDS) as group,
        SidecarProcess("late", etcd_endpoints=etcd.only.url, lock_name=group.lock, folder=tmp_path) as late,
    ):
        late.wait_until_waiting()
        leader = group.settle()
        (waiter,) = group.others(leader)
        token = group.token(leader)
        _fill(etcd)
        full_since = boottime()
        sleep_ttls(group, 1.5)
        assert group.token(leader) == token
        assert all(answer.leads for answer in group.witness.answers(leader, since=full_since))
        assert late.terminate() == 0, "deleting keys needs no room"
        late.start()
        wait_for_log(late, "space exceeded")
        wait_for_metric(late, 'leader_sidecar_failures_total{kind="no_space"}', at_least=1)
        group.witness.excuse_resign(token)
        assert leader.resign()[0] == 204
        wait_for_log(leader, "cannot stand in line again")
        waiter.wait_until_leading()
        wait_for_metric(leader, 'leader_sidecar_failures_total{kind="no_space"}', at_least=1)
        _make_room(etcd)
        assert group.settle() is waiter
        late.wait_until_waiting()


def test_a_restored_snapshot_raises_the_alarm_and_one_leader_comes_of_it(etcd: Cluster, tmp_path: Path) -> None:
    with Group(etcd, tmp_path, lock="/faults/restored", ttl_seconds=TTL_SECONDS) as group:
        first = group.settle()
        etcd.snapshot(tmp_path / "snapshot")
        group.witness.excuse_resign(group.token(first))
        assert first.resign()[0] == 204
        second = group.settle()
        assert second is not first
        etcd.ctl("put", "/elsewhere", "history goes on")
        etcd.restore(tmp_path / "snapshot")
        for sidecar in group.sidecars:
            wait_for_metric(sidecar, "leader_sidecar_history_alarms_total", at_least=1)
            wait_for_log(sidecar, "history went back")
        sleep_ttls(group, 1)  # what was promised before has run out
        group.witness.forget()
        leader = group.settle()
        token = group.token(leader)
        sleep_ttls(group, 2)
        assert group.settle() is leader
        assert group.token(leader) == token
        assert len(group.queue()) == 2, "the leases of the old history have run out"
        assert metric(leader, "leader_sidecar_history_alarms_total") == 1


def test_locks_nested_in_one_another_elect_a_leader_each(etcd: Cluster, tmp_path: Path) -> None:
    """Keys of the inner lock stand below the outer one, and are no candidates there."""
    (tmp_path / "inner").mkdir()
    with (
        Group(etcd, tmp_path / "inner", lock="/faults/outer/abc", names=("c",), ttl_seconds=TTL_SECONDS) as inner,
        Group(etcd, tmp_path, lock="/faults/outer", ttl_seconds=TTL_SECONDS) as outer,
    ):
        leader = outer.settle()
        assert inner.settle().identity == "c"
        wait_for_metric(leader, "leader_sidecar_ignored_keys", at_least=1)
        assert {candidate["name"] for candidate in leader.ask("/candidates")[1]["candidates"]} == {"a", "b"}
        outer.witness.excuse_resign(outer.token(leader))
        assert leader.resign()[0] == 204
        outer.others(leader)[0].wait_until_leading()
        outer.settle()


def test_a_wrong_password_at_start_is_one_line_and_exit_code_77(tmp_path: Path) -> None:
    with running(Cluster(tmp_path / "etcd")) as etcd:
        etcd.enable_auth()
        sidecar = SidecarProcess(
            "a",
            etcd_endpoints=etcd.only.url,
            lock_name="/faults/password",
            folder=tmp_path,
            flags=["--etcd-user=root", "--log-level=error"],
            environment={"LEADER_SIDECAR_ETCD_PASSWORD": "not this one"},
        )
        with sidecar:
            assert sidecar.wait() == 77
    (line,) = sidecar.output().splitlines()
    assert "--etcd-user" in line
    assert "not this one" not in line


def _fill(etcd: Cluster) -> None:
    """Write until etcd's quota is used up."""
    for number in range(10 * QUOTA_BYTES // 100_000):
        try:
            etcd.ctl("put", f"/fill/{number}", "x" * 100_000)
        except AssertionError as refused:
            assert "database space exceeded" in str(refused)  # noqa: PT017 (the loop goes on until then)
            return
    raise AssertionError("etcd never got full")


def _make_room(etcd: Cluster) -> None:
    etcd.ctl("del", "/fill/", "--prefix")
    etcd.compact()
    etcd.defrag()
    etcd.ctl("alarm", "disarm")
