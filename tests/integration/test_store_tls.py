"""TLS and mutual TLS on real etcd: names, roots, and files that change under a running store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.errors import EtcdUnavailable
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from tests.integration.conftest import Opener
from tests.support.certs import Authority
from tests.support.etcd import Cluster, Programs, ServerTls, running
from tests.support.stores import CALLS_AND_WATCH, answered, becomes_true, is_lost, joined, watched

ATTEMPT_SECONDS = 5.0

Start = Callable[..., Cluster]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def start(tmp_path: Path, etcd_programs: Programs, authority: Authority) -> Iterator[Start]:
    """Starts etcd with a certificate for ``names``; with ``clients`` it asks for one of theirs."""
    with ExitStack() as running_clusters:

        def start(*names: str, host: str = "127.0.0.1", clients: Authority | None = None) -> Cluster:
            tls = ServerTls(
                authority.cacert,
                authority.issue("server", *names),
                clients.cacert if clients else None,
                clients.issue("admin", "admin.example") if clients else None,
            )
            cluster = Cluster(tmp_path / "etcd", programs=etcd_programs, tls=tls, host=host)
            return running_clusters.enter_context(running(cluster))

        yield start


def opened(open_store: Opener, cluster: Cluster, **files: Path) -> EtcdStore:
    return open_store(EtcdSettings(cluster.endpoints, ATTEMPT_SECONDS, **files))  # type: ignore[arg-type] # only paths


@pytest.mark.parametrize("call", CALLS_AND_WATCH)
async def test_every_call_works_over_mutual_tls(
    start: Start, authority: Authority, open_store: Opener, call: str
) -> None:
    etcd = start("127.0.0.1", clients=authority)
    client = authority.issue("client", "client.example")
    store = opened(open_store, etcd, cacert=authority.cacert, cert=client.cert, key=client.key)
    await CALLS_AND_WATCH[call](store, await joined(store, "/lock"))


async def test_a_name_is_what_the_certificate_must_bear_not_its_address(
    start: Start, authority: Authority, open_store: Opener
) -> None:
    etcd = start("localhost", host="localhost")
    await opened(open_store, etcd, cacert=authority.cacert).grant(30)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_for_another_name_is_refused(
    start: Start, authority: Authority, open_store: Opener, host: str
) -> None:
    etcd = start("etcd.example")
    store = open_store(EtcdSettings((f"https://{host}:{etcd.only.port}",), ATTEMPT_SECONDS, cacert=authority.cacert))
    with pytest.raises(EtcdUnavailable):
        await store.grant(30)


async def test_a_certificate_of_another_authority_is_refused(start: Start, tmp_path: Path, open_store: Opener) -> None:
    etcd = start("127.0.0.1")
    with pytest.raises(EtcdUnavailable, match=r"(?i)certificate|handshake|ssl"):
        await opened(open_store, etcd, cacert=Authority(tmp_path, "other").cacert).grant(30)


async def test_a_client_without_a_certificate_is_refused_where_etcd_asks_for_one(
    start: Start, authority: Authority, open_store: Opener
) -> None:
    etcd = start("127.0.0.1", clients=authority)
    with pytest.raises(EtcdUnavailable):
        await opened(open_store, etcd, cacert=authority.cacert).grant(30)


async def test_without_a_ca_the_systems_roots_count_and_plain_text_is_never_spoken(
    start: Start, authority: Authority, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = start("127.0.0.1", clients=authority)
    client = authority.issue("client", "client.example")
    with pytest.raises(EtcdUnavailable, match=r"(?i)certificate|handshake|ssl"):
        await opened(open_store, etcd, cert=client.cert, key=client.key).grant(30)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cacert))
    await opened(open_store, etcd, cert=client.cert, key=client.key).grant(30)


async def test_a_changed_client_certificate_is_used_from_the_next_call_on(
    start: Start, authority: Authority, tmp_path: Path, open_store: Opener
) -> None:
    """etcd takes only the new authority's clients, so an old certificate in use would show."""
    new = Authority(tmp_path, "new")
    etcd = start("127.0.0.1", clients=new)
    client = authority.issue("client", "client.example")
    store = opened(open_store, etcd, cacert=authority.cacert, cert=client.cert, key=client.key)
    with pytest.raises(EtcdUnavailable):
        await store.grant(30)
    new.issue("client", "client.example")
    await store.grant(30)


async def test_a_rotation_ends_streams_on_the_old_files_and_loses_nothing_else(
    start: Start, authority: Authority, open_store: Opener
) -> None:
    etcd = start("127.0.0.1", clients=authority)
    client = authority.issue("client", "client.example")
    store = opened(open_store, etcd, cacert=authority.cacert, cert=client.cert, key=client.key)
    mine = await joined(store, "/lock")
    await store.renew(mine.lease_id, ATTEMPT_SECONDS)
    events = await watched(store, mine)
    authority.issue("client", "client.example")
    assert (await store.renew(mine.lease_id, ATTEMPT_SECONDS)).ttl_seconds > 0
    await is_lost(events)
    assert (await store.confirm(mine.name))[1] == mine
    assert open_store.metric("failures_total", kind="unavailable") is None


async def test_a_changed_ca_is_used_from_the_next_call_on(
    start: Start, authority: Authority, tmp_path: Path, open_store: Opener
) -> None:
    etcd = start("127.0.0.1")
    (tmp_path / "trust").mkdir()
    trusted = tmp_path / "trust" / "ca.pem"
    trusted.write_bytes(Authority(tmp_path, "other").cacert.read_bytes())
    store = opened(open_store, etcd, cacert=trusted)
    with pytest.raises(EtcdUnavailable):
        await store.grant(30)
    trusted.write_bytes(authority.cacert.read_bytes())
    await store.grant(30)


async def test_a_bad_new_file_keeps_the_old_connection_until_it_is_mended(
    start: Start, authority: Authority, open_store: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    etcd = start("127.0.0.1", clients=authority)
    client = authority.issue("client", "client.example")
    store = opened(open_store, etcd, cacert=authority.cacert, cert=client.cert, key=client.key)
    mine = await joined(store, "/lock")
    events = await watched(store, mine)
    client.key.write_bytes(b"")
    assert (await store.confirm(mine.name))[1] == mine
    assert "--etcd-key" in caplog.text
    etcd.only.restart()
    await is_lost(events)
    assert (await answered(lambda: store.confirm(mine.name)))[1] == mine
    authority.issue("client", "client.example")
    assert (await answered(lambda: store.confirm(mine.name)))[1] == mine


async def test_a_rotated_server_certificate_needs_nothing_of_the_store(
    start: Start, authority: Authority, open_store: Opener
) -> None:
    etcd = start("127.0.0.1")
    store = opened(open_store, etcd, cacert=authority.cacert)
    mine = await joined(store, "/lock")
    authority.issue("server", "127.0.0.1")
    etcd.only.restart()
    assert (await answered(lambda: store.confirm(mine.name)))[1] == mine


async def test_a_members_version_is_asked_over_tls_too(start: Start, authority: Authority, open_store: Opener) -> None:
    etcd = start("127.0.0.1")
    old = str(etcd.status(etcd.only)["version"]).startswith("3.5.1")
    await opened(open_store, etcd, cacert=authority.cacert).grant(30)
    await becomes_true(lambda: open_store.metric("etcd_outdated") == float(old))
