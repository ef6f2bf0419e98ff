"""Sidecars whose etcd user may use nothing but the lock: they stand in the election, and say what they lack."""

from pathlib import Path

import pytest

from tests.support.etcd import Account, Cluster
from tests.support.group import Group
from tests.support.values import CREATE, ask

pytestmark = pytest.mark.slow

LOCK = "/lock/e"
ALICE = Account("alice", "correct horse")
PREFIX = f"leader-sidecar.meta/member/{LOCK}/"
VALUES = f"leader-sidecar.meta/state/{LOCK}/"


def group(etcd: Cluster, folder: Path) -> Group:
    flags = ["--etcd-user=alice"]
    password = {"LEADER_SIDECAR_ETCD_PASSWORD": ALICE.password}
    return Group(etcd, folder, lock=LOCK, ttl_seconds=3, flags=flags, environment=password)


def test_a_user_without_a_right_to_the_member_keys_leads_and_hands_over_to_nobody(
    etcd: Cluster, tmp_path: Path
) -> None:
    etcd.enable_auth(ALICE, prefix="/lock/")
    with group(etcd, tmp_path) as candidates:
        leader = candidates.settle()
        (other,) = [sidecar for sidecar in candidates.sidecars if sidecar is not leader]
        for sidecar in candidates.sidecars:
            assert sidecar.output().count(f"the keys that begin with {PREFIX}") == 1
        status, problem = leader.transfer(other.identity)
        assert (status, PREFIX in problem["detail"]) == (503, True)
        for refused in (ask(other, "GET", "x"), ask(leader, "PUT", "x", CREATE, b"1")):
            assert (refused.status, VALUES.encode() in refused.content) == (503, True)
        assert leader.leads()
        candidates.witness.excuse_resign(candidates.token(leader))
        assert leader.resign()[0] == 204
        other.wait_until_leading()


def test_a_right_given_later_counts_from_the_next_claim_on(etcd: Cluster, tmp_path: Path) -> None:
    etcd.enable_auth(ALICE, prefix="/lock/")
    with group(etcd, tmp_path) as candidates:
        leader = candidates.settle()
        etcd.ctl("role", "grant-permission", "--prefix=true", "candidate", "readwrite", "leader-sidecar.meta/")
        candidates.witness.excuse_resign(candidates.token(leader))
        assert leader.resign()[0] == 204
        heir = candidates.settle()
        assert heir is not leader
        assert ask(heir, "PUT", "x", CREATE, b"1").status == 201
        assert heir.transfer(leader.identity)[0] == 204
        leader.wait_until_leading()
