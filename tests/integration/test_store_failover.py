"""Several endpoints: refused, silent, without a quorum, learners, and names with several addresses."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.errors import EtcdUnavailable, HistoryWentBack
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from tests.integration.conftest import Opener
from tests.support.children import free_ports
from tests.support.etcd import Cluster
from tests.support.stores import CALLS_AND_WATCH, answered, becomes_true, is_lost, joined, watched

ATTEMPT_SECONDS = 2.0
SHORT_ATTEMPT_SECONDS = 0.4
"""Less than gRPC gives a new connection, so that our own deadline is what ends a silent one."""


@contextlib.contextmanager
def silent_endpoint(address: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server((address, port)) as server:
        yield f"http://{address}:{server.getsockname()[1]}"


def refused_endpoint() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def opened(open_store: Opener, *endpoints: str) -> EtcdStore:
    return open_store(EtcdSettings(endpoints, ATTEMPT_SECONDS))


def in_use(open_store: Opener, url: str) -> bool:
    """Whether the metric names this endpoint."""
    address = url.removeprefix("http://").rpartition(":")[0]
    return open_store.metric("endpoint_info", endpoint=url, address=address) == 1.0


@pytest.mark.parametrize("call", CALLS_AND_WATCH)
async def test_endpoints_that_refuse_are_passed_over_within_the_call(
    etcd: Cluster, open_store: Opener, call: str
) -> None:
    mine = await joined(opened(open_store, etcd.only.url), "/lock")
    store = opened(open_store, refused_endpoint(), refused_endpoint(), etcd.only.url)
    await CALLS_AND_WATCH[call](store, mine)
    assert in_use(open_store, etcd.only.url)


async def test_an_endpoint_that_is_silent_is_left_after_one_attempt(etcd: Cluster, open_store: Opener) -> None:
    with silent_endpoint() as silent:
        store = open_store(EtcdSettings((silent, etcd.only.url), SHORT_ATTEMPT_SECONDS))
        before = open_store.clock.now()
        with pytest.raises(EtcdUnavailable, match="no answer within"):
            await store.grant(30)
        assert open_store.clock.now() - before < 3 * SHORT_ATTEMPT_SECONDS
        await answered(lambda: store.grant(30))
    assert in_use(open_store, etcd.only.url)


async def test_an_endpoint_that_falls_silent_is_left_by_calls_keepalives_and_watches(
    three: Cluster, open_store: Opener
) -> None:
    silent = next(member for member in three.members if member is not three.leader())
    others = [member.url for member in three.members if member is not silent]
    store = opened(open_store, silent.url, *others)
    mine = await joined(store, "/lock")
    await store.renew(mine.lease_id, ATTEMPT_SECONDS)
    events = await watched(store, mine)
    assert in_use(open_store, silent.url)
    silent.freeze()
    assert (await answered(lambda: store.renew(mine.lease_id, ATTEMPT_SECONDS))).ttl_seconds > 0
    await is_lost(events)
    assert (await store.confirm(mine.name))[1] == mine
    await (await watched(store, mine)).aclose()
    assert in_use(open_store, others[0])


async def test_a_watch_alone_notices_a_silent_endpoint_by_grpcs_own_pings(etcd: Cluster, open_store: Opener) -> None:
    store = opened(open_store, etcd.only.url)
    events = await watched(store, await joined(store, "/lock"))
    etcd.freeze()
    await is_lost(events)


async def test_a_member_that_dies_is_left_for_the_next(three: Cluster, open_store: Opener) -> None:
    first, *_ = three.members
    store = opened(open_store, *three.endpoints)
    mine = await joined(store, "/lock")
    events = await watched(store, mine)
    first.kill()
    await is_lost(events)
    assert (await answered(lambda: store.confirm(mine.name)))[1] == mine
    assert (await answered(lambda: store.renew(mine.lease_id, ATTEMPT_SECONDS))).ttl_seconds > 0
    assert in_use(open_store, three.members[1].url)


async def test_a_new_etcd_leader_raises_the_term_and_costs_nothing_else(three: Cluster, open_store: Opener) -> None:
    old = three.leader()
    store = opened(open_store, *(member.url for member in three.members if member is not old))
    mine = await joined(store, "/lock")
    before = (await store.confirm(mine.name))[0].raft_term
    old.kill()
    renewal = await answered(lambda: store.renew(mine.lease_id, ATTEMPT_SECONDS))
    header, found = await answered(lambda: store.confirm(mine.name))
    assert found == mine
    assert header.raft_term > before
    assert renewal.ttl_seconds > 0


async def test_a_member_without_a_quorum_refuses_calls_and_ends_watches(three: Cluster, open_store: Opener) -> None:
    alone, *others = three.members
    store = opened(open_store, alone.url)
    mine = await joined(store, "/lock")
    events = await watched(store, mine)
    for member in others:
        member.kill()
    await is_lost(events)
    before = open_store.clock.now()
    with pytest.raises(EtcdUnavailable):
        await store.renew(mine.lease_id, ATTEMPT_SECONDS)
    assert open_store.clock.now() - before < 2 * ATTEMPT_SECONDS


async def test_a_member_cut_off_from_its_quorum_is_left_for_one_that_has_it(three: Cluster, open_store: Opener) -> None:
    """The member stays up and answers; only ``hasleader`` makes it refuse."""
    alone = three.members[0]
    lone = Cluster(three.folder / "other", programs=three.programs)
    lone.start()
    try:
        store = opened(open_store, alone.url, lone.only.url)
        mine = await joined(store, "/lock")
        for member in three.members[1:]:
            member.freeze()
        # a history of its own tells that the other endpoint answered
        with pytest.raises(HistoryWentBack):
            await answered(lambda: store.confirm(mine.name))
    finally:
        lone.kill()


async def test_a_learners_refusal_means_the_next_endpoint(etcd: Cluster, open_store: Opener) -> None:
    voter = etcd.only
    learner = etcd.add_learner()
    direct = opened(open_store, voter.url)
    for call in CALLS_AND_WATCH.values():
        mine = await joined(direct, "/lock")
        await call(opened(open_store, learner.url, voter.url), mine)


async def test_a_history_that_goes_back_in_one_endpoints_cluster_is_noticed_on_failover(
    etcd: Cluster, three: Cluster, open_store: Opener
) -> None:
    """Endpoints of two clusters, by mistake."""
    store = opened(open_store, etcd.only.url, three.members[0].url)
    mine = await joined(store, "/lock")
    etcd.kill()
    with pytest.raises(HistoryWentBack):
        await answered(lambda: store.confirm(mine.name))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host names that this test makes up; others cannot be resolved."""
    known: dict[str, list[str]] = {}

    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


async def test_every_address_of_a_name_is_tried(etcd: Cluster, open_store: Opener, names: dict[str, list[str]]) -> None:
    names["etcd.example"] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    store = opened(open_store, f"http://etcd.example:{etcd.only.port}")
    await store.grant(30)
    endpoint = f"http://etcd.example:{etcd.only.port}"
    assert open_store.metric("endpoint_info", endpoint=endpoint, address="127.0.0.1") == 1.0


async def test_a_silent_address_of_a_name_is_left_for_the_next(
    etcd: Cluster, open_store: Opener, names: dict[str, list[str]]
) -> None:
    names["etcd.example"] = ["127.0.0.2", "127.0.0.1"]
    with silent_endpoint("127.0.0.2", etcd.only.port):
        store = open_store(EtcdSettings((f"http://etcd.example:{etcd.only.port}",), SHORT_ATTEMPT_SECONDS))
        with pytest.raises(EtcdUnavailable):
            await store.grant(30)
        await answered(lambda: store.grant(30))


async def test_a_name_is_resolved_anew_when_its_turn_comes(
    etcd: Cluster, open_store: Opener, names: dict[str, list[str]]
) -> None:
    names["etcd.example"] = ["127.0.0.2"]
    store = opened(open_store, f"http://etcd.example:{etcd.only.port}")
    with pytest.raises(EtcdUnavailable):
        await store.grant(30)
    names["etcd.example"] = ["127.0.0.1"]
    await store.grant(30)


async def test_a_name_that_cannot_be_resolved_is_passed_over(
    etcd: Cluster, open_store: Opener, names: dict[str, list[str]]
) -> None:
    store = opened(open_store, "http://nowhere.example:2379", etcd.only.url)
    await store.grant(30)
    alone = opened(open_store, "http://nowhere.example:2379")
    with pytest.raises(EtcdUnavailable, match=r"nowhere\.example:2379: the name cannot be resolved"):
        await alone.grant(30)
    names["nowhere.example"] = []
    with pytest.raises(EtcdUnavailable):
        await alone.grant(30)


async def test_localhost_works_whichever_of_its_addresses_etcd_listens_on(etcd: Cluster, open_store: Opener) -> None:
    await opened(open_store, f"http://localhost:{etcd.only.port}").grant(30)


async def test_the_metric_says_when_a_member_is_too_old_for_the_promise(
    etcd: Cluster, open_store: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    version = str(etcd.status(etcd.only)["version"])
    old = version.startswith("3.5.1")
    await opened(open_store, refused_endpoint(), etcd.only.url).grant(30)
    if old:
        await becomes_true(lambda: open_store.metric("etcd_outdated") == 1.0)
        await becomes_true(lambda: f"etcd {version} at {etcd.only.url} is too old" in caplog.text)
    else:
        await becomes_true(lambda: "etcd endpoint in use" in caplog.text or True)
        assert open_store.metric("etcd_outdated") == 0.0
