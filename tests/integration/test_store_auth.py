"""User and password: tokens that end, wrong passwords, rights, and etcd with authentication switched on or off."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import AuthenticationFailed, EtcdError, PermissionDenied
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from tests.integration.conftest import Opener
from tests.support.etcd import Account, Cluster, Programs, running
from tests.support.stores import CALLS_AND_WATCH, answered, is_lost, joined, watched

pytestmark = pytest.mark.slow

ALICE = Account("alice", "correct horse")
ATTEMPT_SECONDS = 3.0
TOKEN_SECONDS = 5
FLAGS = ("--auth-token-ttl", str(TOKEN_SECONDS), "--bcrypt-cost", "4")
KEY_CALLS = [call for call in CALLS_AND_WATCH if call not in ("grant", "renew", "probe", "watch")]
"""Some versions of etcd do not ask for a user where leases are concerned, and say of a watch only that it is not
permitted."""


@pytest.fixture
def open_etcd(tmp_path: Path, etcd_programs: Programs) -> Iterator[Cluster]:
    """One member whose tokens end after 5 s without use, authentication not yet switched on."""
    with running(Cluster(tmp_path / "auth", programs=etcd_programs, flags=FLAGS)) as cluster:
        yield cluster


@pytest.fixture
def guarded(open_etcd: Cluster) -> Cluster:
    """It wants a user; alice may use everything below /lock/."""
    open_etcd.enable_auth(ALICE, prefix="/lock/")
    return open_etcd


def opened(open_store: Opener, cluster: Cluster, account: Account | None = ALICE) -> EtcdStore:
    user, password = (None, None) if account is None else (account.user, account.password)
    return open_store(EtcdSettings(cluster.endpoints, ATTEMPT_SECONDS, user=user, password=password))


@pytest.mark.parametrize("call", CALLS_AND_WATCH)
async def test_every_call_and_stream_works_with_a_user(guarded: Cluster, open_store: Opener, call: str) -> None:
    mine = await joined(opened(open_store, guarded), "/lock")
    await CALLS_AND_WATCH[call](opened(open_store, guarded), mine)


async def test_every_call_and_stream_survives_that_its_token_is_unknown(guarded: Cluster, open_store: Opener) -> None:
    """etcd forgets its simple tokens when it restarts."""
    stores = {call: opened(open_store, guarded) for call in CALLS_AND_WATCH}
    keys = {call: await joined(store, "/lock") for call, store in stores.items()}
    for call, store in stores.items():
        await store.renew(keys[call].lease_id, ATTEMPT_SECONDS)
    guarded.restart()
    for call, store in stores.items():
        await answered(lambda: CALLS_AND_WATCH[call](store, keys[call]))  # noqa: B023 (awaited at once)


async def test_every_call_and_stream_survives_that_its_token_has_ended(guarded: Cluster, open_store: Opener) -> None:
    stores = {call: opened(open_store, guarded) for call in CALLS_AND_WATCH}
    keys = {call: await joined(store, "/lock") for call, store in stores.items()}
    for call, store in stores.items():
        await store.renew(keys[call].lease_id, ATTEMPT_SECONDS)
    await asyncio.sleep(TOKEN_SECONDS + 2)
    for call, store in stores.items():
        await CALLS_AND_WATCH[call](store, keys[call])


async def test_a_leader_that_only_renews_keeps_its_lease_past_its_tokens_end(
    guarded: Cluster, open_store: Opener
) -> None:
    store = opened(open_store, guarded)
    mine = await joined(store, "/lock")
    for _ in range(2 * TOKEN_SECONDS):
        assert (await store.renew(mine.lease_id, ATTEMPT_SECONDS)).ttl_seconds > 0
        await asyncio.sleep(1)
    assert (await store.confirm(mine.name))[1] == mine
    assert open_store.metric("failures_total", kind="authentication") is None


async def test_a_watch_that_waits_outlives_a_change_of_rights(guarded: Cluster, open_store: Opener) -> None:
    """Every change of users raises the auth store's revision, which etcd holds against tokens."""
    store = opened(open_store, guarded)
    mine = await joined(store, "/lock")
    events = await watched(store, mine)
    guarded.ctl("user", "add", "bob:secret")
    assert (await store.confirm(mine.name))[1] == mine
    assert (await store.renew(mine.lease_id, ATTEMPT_SECONDS)).ttl_seconds > 0
    await store.release(mine.name, mine.create_revision)
    assert (await anext(events)).key is None
    await events.aclose()


async def test_a_wrong_password_is_said_and_the_right_one_works_later(guarded: Cluster, open_store: Opener) -> None:
    passwords = ["wrong", "wrong", ALICE.password]
    store = open_store(
        EtcdSettings(guarded.endpoints, ATTEMPT_SECONDS, user=ALICE.user, password=lambda: passwords.pop(0))
    )
    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="invalid user ID or password"):
            await store.grant(30)
    await store.grant(30)
    assert open_store.metric("failures_total", kind="authentication") == 2.0


async def test_an_unknown_user_is_refused(guarded: Cluster, open_store: Opener) -> None:
    with pytest.raises(AuthenticationFailed):
        await opened(open_store, guarded, Account("mallory", "x")).grant(30)


@pytest.mark.parametrize("call", KEY_CALLS)
async def test_without_a_user_etcds_wish_for_one_is_said(guarded: Cluster, open_store: Opener, call: str) -> None:
    mine = await joined(opened(open_store, guarded), "/lock")
    store = opened(open_store, guarded, None)
    with pytest.raises(EtcdError, match="--etcd-user"):
        await CALLS_AND_WATCH[call](store, mine)


async def test_a_lock_outside_the_users_rights_is_refused(guarded: Cluster, open_store: Opener) -> None:
    store = opened(open_store, guarded)
    lease = await store.grant(30)
    with pytest.raises(PermissionDenied):
        await store.claim("/elsewhere", lease.lease_id, "a", with_queue=True)


async def test_a_user_is_no_harm_where_etcd_wants_none(
    open_etcd: Cluster, open_store: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    await joined(opened(open_store, open_etcd), "/lock")
    assert "--etcd-user is not used" in caplog.text


async def test_authentication_switched_on_under_a_running_store_costs_it_nothing(
    open_etcd: Cluster, open_store: Opener
) -> None:
    store = opened(open_store, open_etcd)
    mine = await joined(store, "/lock")
    await store.renew(mine.lease_id, ATTEMPT_SECONDS)
    open_etcd.enable_auth(ALICE, prefix="/lock/")
    assert (await store.confirm(mine.name))[1] == mine
    assert (await store.renew(mine.lease_id, ATTEMPT_SECONDS)).ttl_seconds > 0


async def test_many_calls_with_an_ended_token_authenticate_once(
    guarded: Cluster, open_store: Opener, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    store = opened(open_store, guarded)
    mine = await joined(store, "/lock")
    # a snapshot writes out what is pending: else an etcd killed just now replays the authentication, token and all
    guarded.snapshot(tmp_path / "snapshot")
    guarded.restart()
    with caplog.at_level("DEBUG", logger="sidecar.etcd.auth"):
        await asyncio.gather(*(answered(lambda: store.confirm(mine.name)) for _ in range(10)))
    assert caplog.text.count("authenticated at etcd as alice") == 1


async def test_a_silent_etcd_is_left_while_authenticating_too(guarded: Cluster, open_store: Opener) -> None:
    guarded.freeze()
    store = opened(open_store, guarded)
    before = open_store.clock.now()
    with pytest.raises(EtcdError):
        await store.grant(30)
    assert open_store.clock.now() - before < 2 * ATTEMPT_SECONDS
    guarded.thaw()
    await answered(lambda: store.grant(30))


async def test_a_watch_by_a_user_is_lost_with_its_connection(guarded: Cluster, open_store: Opener) -> None:
    store = opened(open_store, guarded)
    mine = await joined(store, "/lock")
    events = await watched(store, mine)
    guarded.restart()
    await is_lost(events)
    await (await answered(lambda: watched(store, mine))).aclose()
