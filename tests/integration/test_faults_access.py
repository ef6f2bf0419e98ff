"""Who may speak to etcd, and for how long: tokens that run out, certificates that are replaced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import DISTRO, REAL_STORES, programs
from tests.support.certs import Authority, KeyPair
from tests.support.etcd import Account, Cluster, ServerTls, running
from tests.support.group import Group, sleep_ttls
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

CANDIDATE = Account("candidate", "a secret")
TOKEN_SECONDS = 5


@contextmanager
def etcd_with_users(folder: Path, version: str) -> Iterator[Cluster]:
    """Its simple tokens end ``TOKEN_SECONDS`` after their last use."""
    flags = [f"--auth-token-ttl={TOKEN_SECONDS}"]
    with running(Cluster(folder / "etcd", programs=programs(version), flags=flags)) as etcd:
        etcd.enable_auth(CANDIDATE, prefix="/faults")
        yield etcd


def users_group(etcd: Cluster, folder: Path, ttl_seconds: int) -> Group:
    return Group(
        etcd,
        folder,
        lock="/faults/auth",
        ttl_seconds=ttl_seconds,
        flags=[f"--etcd-user={CANDIDATE.user}"],
        environment={"LEADER_SIDECAR_ETCD_PASSWORD": CANDIDATE.password},
    )


def authentications(etcd: Cluster) -> float:
    """How many etcd has granted."""
    counter = 'grpc_server_handled_total{grpc_code="OK",grpc_method="Authenticate"'
    return sum(float(line.rpartition(" ")[2]) for line in etcd.only.metrics().splitlines() if line.startswith(counter))


@pytest.mark.parametrize("version", REAL_STORES)
def test_a_quiet_leader_outlives_its_token_again_and_again_and_waiters_can_still_win(
    tmp_path: Path, version: str
) -> None:
    # with this TTL renewals are farther apart than a token lives
    with etcd_with_users(tmp_path, version) as etcd, users_group(etcd, tmp_path, ttl_seconds=18) as group:
        leader = group.settle()
        (waiter,) = group.others(leader)
        token, since, before = group.token(leader), boottime(), authentications(etcd)
        sleep_ttls(group, 1.5)
        assert authentications(etcd) >= before + 3, "tokens did run out"
        assert group.settle() is leader
        assert group.token(leader) == token
        assert all(answer.leads for answer in group.witness.answers(leader, since=since))
        group.witness.excuse_resign(token)
        resigned_at = boottime()
        assert leader.resign()[0] == 204
        successor = group.wait_for_first_answer_of_a_leader(resigned_at, other_than=leader)
        assert successor.sidecar == waiter.identity
        assert successor.received_at - resigned_at < group.ttl_seconds / 2, "its watches outlived the token as well"
        group.settle()


def test_an_etcd_that_has_forgotten_all_tokens_costs_nobody_the_lead(tmp_path: Path) -> None:
    """Simple tokens are kept in memory: a restart ends them all."""
    with etcd_with_users(tmp_path, DISTRO) as etcd, users_group(etcd, tmp_path, ttl_seconds=6) as group:
        leader = group.settle()
        token, since = group.token(leader), boottime()
        etcd.restart()
        sleep_ttls(group, 1.5)
        assert group.settle() is leader
        assert group.token(leader) == token
        assert all(answer.leads for answer in group.witness.answers(leader, since=since))


class Certificates:
    """What etcd and its clients show, and trust; each ``replace`` makes all of it anew, under other authorities."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.replace()

    def replace(self) -> None:
        fresh = self._folder / "fresh"
        fresh.mkdir(parents=True)
        servers, clients = Authority(fresh, "servers"), Authority(fresh, "clients")
        servers.issue("server", "127.0.0.1", "localhost")
        clients.issue("client", "sidecar.example")
        for file in fresh.iterdir():
            os.replace(file, self._folder / file.name)
        fresh.rmdir()

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    @property
    def tls(self) -> ServerTls:
        cacert, clients = self._folder / "servers.pem", self._folder / "clients.pem"
        return ServerTls(cacert, self._pair("server"), client_cacert=clients, admin=self._pair("client"))

    @property
    def flags(self) -> list[str]:
        client = self._pair("client")
        return [
            f"--etcd-cacert={self._folder / 'servers.pem'}",
            f"--etcd-cert={client.cert}",
            f"--etcd-key={client.key}",
        ]


@pytest.mark.parametrize("version", REAL_STORES)
def test_every_certificate_and_authority_can_be_replaced_without_losing_the_lead(tmp_path: Path, version: str) -> None:
    certificates = Certificates(tmp_path / "certificates")
    with (
        running(Cluster(tmp_path / "etcd", programs=programs(version), tls=certificates.tls)) as etcd,
        Group(etcd, tmp_path, lock="/faults/tls", ttl_seconds=6, flags=certificates.flags) as group,
    ):
        leader = group.settle()
        token, since = group.token(leader), boottime()
        certificates.replace()
        etcd.restart()
        sleep_ttls(group, 2)
        assert group.settle() is leader
        assert group.token(leader) == token
        assert all(answer.leads for answer in group.witness.answers(leader, since=since))
        group.witness.excuse_resign(token)
        assert leader.resign()[0] == 204
        (waiter,) = group.others(leader)
        assert group.settle() is waiter
