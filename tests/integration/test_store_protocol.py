"""What the store does on the wire, shown on a server that plays etcd by script: late, wrong and refused answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import StatusCode as Code

from sidecar.election.queue import LockKey
from sidecar.errors import EtcdError, EtcdUnavailable, HistoryWentBack, WatchLost
from sidecar.etcd.port import WriteAnswer
from sidecar.etcd.protocol import kv, rpc
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from tests.integration.conftest import Opener
from tests.support.scripted_etcd import ScriptedEtcd, refusal, silence
from tests.support.stores import CALLS_AND_WATCH, becomes_true

LEASE = 0xABC
MINE = LockKey(f"/lock/{LEASE:x}", 100, 100, LEASE, "a")
ATTEMPT_SECONDS = 20.0
"""Far more than an answer takes, so that only what is meant to end by a deadline does."""

SHORT_ATTEMPT_SECONDS = 1.0
FIRST_TOKEN = "token-1"  # noqa: S105 (a test's)

METHODS = {
    "grant": "LeaseGrant",
    "renew": "LeaseKeepAlive",
    "revoke": "LeaseRevoke",
    "probe": "LeaseTimeToLive",
    "record": "Txn",
    "claim": "Txn",
    "look": "Range",
    "confirm": "Range",
    "release": "Txn",
    "shift": "Txn",
    "candidates": "Range",
    "read_value": "Range",
    "write_value": "Txn",
    "watch": "Watch",
}


@pytest.fixture
async def servers() -> AsyncIterator[list[ScriptedEtcd]]:
    servers = [ScriptedEtcd(), ScriptedEtcd()]
    for server in servers:
        await server.start()
    yield servers
    for server in servers:
        await server.close()


@pytest.fixture
def server(servers: list[ScriptedEtcd]) -> ScriptedEtcd:
    return servers[0]


def opened(
    open_store: Opener, *servers: ScriptedEtcd, user: str | None = None, attempt_seconds: float = ATTEMPT_SECONDS
) -> EtcdStore:
    endpoints = tuple(server.url for server in servers)
    return open_store(EtcdSettings(endpoints, attempt_seconds, user=user, password="secret"))  # noqa: S106 (a test's)


@pytest.mark.parametrize("call", CALLS_AND_WATCH)
async def test_every_call_and_stream_asks_for_a_member_with_a_leader_and_bears_the_token(
    server: ScriptedEtcd, open_store: Opener, call: str
) -> None:
    await CALLS_AND_WATCH[call](opened(open_store, server, user="alice"), MINE)
    (metadata,) = server.seen(METHODS[call])
    assert metadata["hasleader"] == "true"
    assert metadata["token"] == FIRST_TOKEN


# keepalives -----------------------------------------------------------------------------------------------------------


async def test_renewals_share_one_stream(server: ScriptedEtcd, open_store: Opener) -> None:
    store = opened(open_store, server)
    for _ in range(3):
        await store.renew(LEASE, ATTEMPT_SECONDS)
    assert len(server.seen("LeaseKeepAlive")) == 1


async def test_one_request_at_a_time_is_out_on_a_stream(server: ScriptedEtcd, open_store: Opener) -> None:
    crowded = []

    async def slow(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        coming: asyncio.Future[Any] = asyncio.ensure_future(anext(requests))
        try:
            while True:
                request = await coming
                coming = asyncio.ensure_future(anext(requests))
                await asyncio.sleep(0.05)  # time for another request to slip in
                crowded.append(coming.done())
                yield rpc.LeaseKeepAliveResponse(header=server.header(), ID=request.ID, TTL=30)
        finally:
            coming.cancel()

    server.scripts["LeaseKeepAlive"] = slow
    store = opened(open_store, server)
    await asyncio.gather(*(store.renew(LEASE, ATTEMPT_SECONDS) for _ in range(3)))
    assert crowded == [False, False, False]


async def test_an_answer_that_comes_after_its_deadline_never_counts(server: ScriptedEtcd, open_store: Opener) -> None:
    """Late answers bear a TTL of 99: whoever takes one for the next request's shows it."""
    cancelled = asyncio.Event()
    late = asyncio.Event()

    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        is_first = len(server.seen("LeaseKeepAlive")) == 1
        try:
            async for request in requests:
                if is_first:
                    await late.wait()
                yield rpc.LeaseKeepAliveResponse(header=server.header(), ID=request.ID, TTL=99 if is_first else 30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server.scripts["LeaseKeepAlive"] = answers
    store = opened(open_store, server)
    with pytest.raises(EtcdUnavailable, match="no answer within"):
        await store.renew(LEASE, SHORT_ATTEMPT_SECONDS)
    await asyncio.wait_for(cancelled.wait(), 10)
    late.set()
    assert (await store.renew(LEASE, ATTEMPT_SECONDS)).ttl_seconds == 30
    assert len(server.seen("LeaseKeepAlive")) == 2


async def test_a_renewal_that_was_cancelled_leaves_no_answer_behind(server: ScriptedEtcd, open_store: Opener) -> None:
    held = asyncio.Event()

    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        is_first = len(server.seen("LeaseKeepAlive")) == 1
        async for request in requests:
            if is_first:
                held.set()
                await asyncio.sleep(0.2)
            yield rpc.LeaseKeepAliveResponse(header=server.header(), ID=request.ID, TTL=99 if is_first else 30)

    server.scripts["LeaseKeepAlive"] = answers
    store = opened(open_store, server)
    renewing = asyncio.create_task(store.renew(LEASE, ATTEMPT_SECONDS))
    await asyncio.wait_for(held.wait(), 10)
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
    assert (await store.renew(LEASE, ATTEMPT_SECONDS)).ttl_seconds == 30


async def test_an_answer_for_another_lease_counts_for_nothing(server: ScriptedEtcd, open_store: Opener) -> None:
    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for _request in requests:
            yield rpc.LeaseKeepAliveResponse(header=server.header(), ID=1, TTL=30)

    server.scripts["LeaseKeepAlive"] = answers
    with pytest.raises(EtcdUnavailable, match="another lease"):
        await opened(open_store, server).renew(LEASE, ATTEMPT_SECONDS)


async def test_a_new_token_means_a_new_stream(server: ScriptedEtcd, open_store: Opener) -> None:
    async def answers(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if server.seen("LeaseKeepAlive")[-1]["token"] == FIRST_TOKEN:
                await context.abort(Code.UNAUTHENTICATED, "etcdserver: invalid auth token")
            yield rpc.LeaseKeepAliveResponse(header=server.header(), ID=request.ID, TTL=30)

    server.scripts["LeaseKeepAlive"] = answers
    store = opened(open_store, server, user="alice")
    assert (await store.renew(LEASE, ATTEMPT_SECONDS)).ttl_seconds == 30
    assert [metadata["token"] for metadata in server.seen("LeaseKeepAlive")] == [FIRST_TOKEN, "token-2"]


@pytest.mark.parametrize("details", ["invalid auth token", "user name is empty", "revision of auth store is old"])
async def test_a_refused_token_is_fetched_anew_and_the_request_repeated(
    server: ScriptedEtcd, open_store: Opener, details: str
) -> None:
    async def answer(_: Any, context: Any) -> Any:
        if server.seen("Range")[-1]["token"] == FIRST_TOKEN:
            await context.abort(Code.UNAUTHENTICATED, f"etcdserver: {details}")
        return rpc.RangeResponse(header=server.header())

    server.scripts["Range"] = answer
    await opened(open_store, server, user="alice").confirm(MINE.name)
    assert len(server.seen("Authenticate")) == 2


# whose fault it is ----------------------------------------------------------------------------------------------------

NOT_THE_ENDPOINTS = [
    (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
    (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests"),
    (Code.PERMISSION_DENIED, "etcdserver: permission denied"),
    (Code.NOT_FOUND, "etcdserver: requested lease not found"),
    (Code.INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"),
    (Code.UNAVAILABLE, "etcdserver: leader changed"),
]


@pytest.mark.parametrize(("code", "details"), NOT_THE_ENDPOINTS)
async def test_what_is_not_the_endpoints_fault_does_not_move_to_another(
    servers: list[ScriptedEtcd], open_store: Opener, code: Code, details: str
) -> None:
    servers[0].scripts["Txn"] = refusal(code, details)
    store = opened(open_store, *servers)
    for _ in range(2):
        with pytest.raises(EtcdError, match=details.rpartition(": ")[2]):
            await store.claim("/lock", LEASE, "a", with_queue=False)
    assert len(servers[0].seen("Txn")) == 2
    assert servers[1].seen("Txn") == []


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (Code.UNAVAILABLE, "etcdserver: no leader"),
        (Code.UNAVAILABLE, "etcdserver: rpc not supported for learner"),
        (Code.UNAVAILABLE, "etcdserver: request timed out"),
        (Code.UNIMPLEMENTED, "no etcd"),
    ],
)
async def test_what_is_the_endpoints_fault_moves_to_the_next_within_the_call(
    servers: list[ScriptedEtcd], open_store: Opener, code: Code, details: str
) -> None:
    servers[0].scripts["Txn"] = refusal(code, details)
    store = opened(open_store, *servers)
    await store.claim("/lock", LEASE, "a", with_queue=False)
    await store.claim("/lock", LEASE, "a", with_queue=False)
    assert [len(server.seen("Txn")) for server in servers] == [1, 2]


async def written(store: EtcdStore) -> WriteAnswer:
    return await store.write_value("/value", b"v", revision=0, leader=MINE.name, token=MINE.create_revision)


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (Code.UNAVAILABLE, "etcdserver: request timed out"),
        (Code.UNAVAILABLE, "Socket closed"),
        (Code.UNAVAILABLE, "etcdserver: leader changed"),
        (Code.INTERNAL, "Internal error from Core"),
        (Code.UNKNOWN, "anything"),
    ],
)
async def test_a_write_that_may_have_been_done_is_repeated_nowhere(
    servers: list[ScriptedEtcd], open_store: Opener, code: Code, details: str
) -> None:
    servers[0].scripts["Txn"] = refusal(code, details)
    with pytest.raises(EtcdUnavailable, match=details):
        await written(opened(open_store, *servers))
    assert [len(server.seen("Txn")) for server in servers] == [1, 0]


@pytest.mark.parametrize("details", ["etcdserver: no leader", "etcdserver: rpc not supported for learner"])
async def test_a_write_that_was_turned_away_unread_moves_to_the_next_endpoint_within_the_call(
    servers: list[ScriptedEtcd], open_store: Opener, details: str
) -> None:
    servers[0].scripts["Txn"] = refusal(Code.UNAVAILABLE, details)
    assert await written(opened(open_store, *servers)) == WriteAnswer(100, led=True)
    assert [len(server.seen("Txn")) for server in servers] == [1, 1]


async def test_the_write_after_one_that_failed_goes_to_the_next_endpoint(
    servers: list[ScriptedEtcd], open_store: Opener
) -> None:
    servers[0].scripts["Txn"] = refusal(Code.UNAVAILABLE, "Socket closed")
    store = opened(open_store, *servers)
    with pytest.raises(EtcdUnavailable):
        await written(store)
    assert await written(store) == WriteAnswer(100, led=True)
    assert [len(server.seen("Txn")) for server in servers] == [1, 1]


@pytest.mark.parametrize("details", ["invalid auth token", "revision of auth store is old"])
async def test_a_write_whose_token_was_refused_is_repeated_with_another(
    server: ScriptedEtcd, open_store: Opener, details: str
) -> None:
    async def answer(_: Any, context: Any) -> Any:
        if server.seen("Txn")[-1]["token"] == FIRST_TOKEN:
            await context.abort(Code.UNAUTHENTICATED, f"etcdserver: {details}")
        return rpc.TxnResponse(header=server.header(), succeeded=True)

    server.scripts["Txn"] = answer
    assert await written(opened(open_store, server, user="alice")) == WriteAnswer(100, led=True)


async def test_when_every_endpoint_refuses_each_is_asked_once(servers: list[ScriptedEtcd], open_store: Opener) -> None:
    for server in servers:
        server.scripts["Txn"] = refusal(Code.UNAVAILABLE, "etcdserver: no leader")
    with pytest.raises(EtcdUnavailable, match="no leader"):
        await opened(open_store, *servers).claim("/lock", LEASE, "a", with_queue=False)
    assert [len(server.seen("Txn")) for server in servers] == [1, 1]


async def test_a_call_in_flight_on_an_endpoint_that_another_call_left_may_still_be_answered(
    servers: list[ScriptedEtcd], open_store: Opener
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> Any:
        asked.set()
        await go.wait()
        return rpc.RangeResponse(header=servers[0].header())

    servers[0].scripts = {"Range": slow, "Txn": refusal(Code.UNAVAILABLE, "etcdserver: no leader")}
    store = opened(open_store, *servers)
    reading = asyncio.create_task(store.confirm(MINE.name))
    await asyncio.wait_for(asked.wait(), 10)
    await store.claim("/lock", LEASE, "a", with_queue=False)
    go.set()
    await reading
    assert servers[1].seen("Range") == []


async def test_two_calls_that_fail_on_one_endpoint_move_on_once(
    servers: list[ScriptedEtcd], open_store: Opener
) -> None:
    """Else they would send one another round the circle, back to where they failed."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def refuse_late(request: Any, context: Any) -> None:
        asked.set()
        await go.wait()
        await refusal(Code.UNAVAILABLE, "etcdserver: no leader")(request, context)

    servers[0].scripts = {"Range": refuse_late, "Txn": refusal(Code.UNAVAILABLE, "etcdserver: no leader")}
    store = opened(open_store, *servers)
    reading = asyncio.create_task(store.confirm(MINE.name))
    await asyncio.wait_for(asked.wait(), 10)
    await store.claim("/lock", LEASE, "a", with_queue=False)
    go.set()
    await reading
    await store.claim("/lock", LEASE, "a", with_queue=False)
    assert [len(server.seen("Txn")) for server in servers] == [1, 2]


# history --------------------------------------------------------------------------------------------------------------


async def test_answers_that_overtake_one_another_are_no_alarm(server: ScriptedEtcd, open_store: Opener) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> Any:
        asked.set()
        await go.wait()
        return rpc.RangeResponse(header=server.header(100))

    server.scripts["Range"] = slow
    store = opened(open_store, server)
    reading = asyncio.create_task(store.confirm(MINE.name))
    await asyncio.wait_for(asked.wait(), 10)
    server.revision = 105
    await store.claim("/lock", LEASE, "a", with_queue=False)
    go.set()
    assert (await reading)[0].revision == 100


async def test_a_lower_revision_is_an_alarm_once_and_then_the_new_history_counts(
    server: ScriptedEtcd, open_store: Opener
) -> None:
    store = opened(open_store, server)
    await store.confirm(MINE.name)
    server.revision = 60
    with pytest.raises(HistoryWentBack):
        await store.confirm(MINE.name)
    assert (await store.confirm(MINE.name))[0].revision == 60
    assert open_store.metric("failures_total", kind="history") == 1.0


async def test_an_answer_out_of_the_old_history_counts_for_nothing_in_the_new(
    server: ScriptedEtcd, open_store: Opener
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> Any:
        asked.set()
        await go.wait()
        return rpc.RangeResponse(header=server.header(110))

    store = opened(open_store, server)
    await store.claim("/lock", LEASE, "a", with_queue=False)
    server.scripts["Range"] = slow
    reading = asyncio.create_task(store.confirm(MINE.name))
    await asyncio.wait_for(asked.wait(), 10)
    server.revision = 60
    with pytest.raises(HistoryWentBack):
        await store.claim("/lock", LEASE, "a", with_queue=False)
    go.set()
    with pytest.raises(EtcdUnavailable, match="counts for nothing"):
        await reading
    await store.claim("/lock", LEASE, "a", with_queue=False)


async def test_a_members_lagging_revision_in_keepalives_grants_and_watches_is_no_alarm(
    server: ScriptedEtcd, open_store: Opener
) -> None:
    store = opened(open_store, server)
    await store.confirm(MINE.name)
    server.revision = 90
    for call in ("grant", "renew", "watch"):
        await CALLS_AND_WATCH[call](store, MINE)
    server.revision = 100
    await store.confirm(MINE.name)


@pytest.mark.parametrize("call", CALLS_AND_WATCH)
async def test_another_cluster_is_an_alarm_in_every_answer(server: ScriptedEtcd, open_store: Opener, call: str) -> None:
    store = opened(open_store, server)
    await store.confirm(MINE.name)
    server.cluster_id = 8
    with pytest.raises(HistoryWentBack):
        await CALLS_AND_WATCH[call](store, MINE)


async def test_no_watch_is_kept_once_history_went_back(server: ScriptedEtcd, open_store: Opener) -> None:
    store = opened(open_store, server)
    await store.confirm(MINE.name)
    events = store.watch(MINE.name, 100)
    await anext(events)
    server.revision = 60
    with pytest.raises(HistoryWentBack):
        await store.confirm(MINE.name)
    with pytest.raises(WatchLost):
        await asyncio.wait_for(anext(events), 10)


# watches --------------------------------------------------------------------------------------------------------------


async def one_answer(server: ScriptedEtcd, open_store: Opener, **answer: Any) -> EtcdStore:
    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for _request in requests:
            yield rpc.WatchResponse(header=server.header(), **answer)

    server.scripts["Watch"] = answers
    return opened(open_store, server)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"created": True, "canceled": True, "cancel_reason": "no room"}, "no room"),
        ({"canceled": True}, "no reason given"),
        ({"created": True, "canceled": True, "compact_revision": 55}, "compacted up to revision 55"),
        ({"compact_revision": 55}, "compacted up to revision 55"),
    ],
)
async def test_a_watch_that_is_refused_at_once_is_lost(
    server: ScriptedEtcd, open_store: Opener, answer: dict[str, Any], complaint: str
) -> None:
    store = await one_answer(server, open_store, **answer)
    with pytest.raises(WatchLost, match=complaint):
        await anext(store.watch(MINE.name, 1))


async def test_a_watch_that_is_never_confirmed_is_lost(server: ScriptedEtcd, open_store: Opener) -> None:
    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for _request in requests:
            await silence()
        yield

    server.scripts["Watch"] = answers
    with pytest.raises(WatchLost, match="no answer within"):
        await anext(opened(open_store, server, attempt_seconds=SHORT_ATTEMPT_SECONDS).watch(MINE.name, 1))


async def test_a_watch_whose_stream_ends_is_lost(server: ScriptedEtcd, open_store: Opener) -> None:
    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        await anext(requests)
        yield rpc.WatchResponse(header=server.header(), created=True)

    server.scripts["Watch"] = answers
    with pytest.raises(WatchLost, match="ended the stream"):
        await anext(opened(open_store, server).watch(MINE.name, 1))


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_etcd_sees_the_end_of_a_watch_that_nobody_reads_any_more(
    server: ScriptedEtcd, open_store: Opener, how: str
) -> None:
    ended = asyncio.Event()

    async def answers(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        try:
            await anext(requests)
            yield rpc.WatchResponse(header=server.header(), created=True)
            pair = kv.KeyValue(mod_revision=100)
            yield rpc.WatchResponse(header=server.header(), events=[kv.Event(kv=pair)])
            await silence()
        finally:
            ended.set()

    server.scripts["Watch"] = answers
    events = opened(open_store, server).watch(MINE.name, 1)
    await anext(events)
    if how == "closed":
        await events.aclose()
    else:
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        reading.cancel()
    await asyncio.wait_for(ended.wait(), 10)


async def test_closing_the_store_ends_everything(server: ScriptedEtcd, open_store: Opener) -> None:
    store = opened(open_store, server)
    await store.renew(LEASE, ATTEMPT_SECONDS)
    events = store.watch(MINE.name, 1)
    await anext(events)
    await store.close()
    with pytest.raises(WatchLost):
        await asyncio.wait_for(anext(events), 10)
    with pytest.raises(EtcdUnavailable, match="closed"):
        await store.confirm(MINE.name)
    await becomes_true(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("etcd")])
