"""Every promise of ``sidecar.etcd.port``, on the simulated etcd and on real ones."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest

from sidecar.election.queue import LockKey, key_name
from sidecar.errors import EtcdUnavailable, HistoryWentBack, LeaseNotFound, WatchLost
from sidecar.etcd.port import ClaimAnswer, KeyEvent, LockStore
from tests.support.store_harness import StoreHarness

pytestmark = pytest.mark.timeout(120)

T = TypeVar("T")

TTL = 30
"""Long enough that no lease ends by itself where a test does not want it."""


async def joined(store: LockStore, lock: str, identity: str, *, with_queue: bool = True) -> ClaimAnswer:
    """A new candidate, with a lease of its own."""
    lease = await store.grant(TTL)
    return await store.claim(lock, lease.lease_id, identity, with_queue=with_queue)


async def next_event(store: LockStore, name: str, from_revision: int) -> KeyEvent:
    async with aclosing(store.watch(name, from_revision)) as events, asyncio.timeout(30):
        return await anext(events)


async def watched(store: LockStore, key: LockKey) -> AsyncGenerator[KeyEvent, None]:
    """A watch that has begun: it has brought the key's creation, and waits for what comes."""
    events = store.watch(key.name, key.create_revision)
    async with asyncio.timeout(30):
        assert (await anext(events)).key == key
    return events


async def is_lost(events: AsyncGenerator[KeyEvent, None]) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(WatchLost):
            await anext(events)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while etcd is unavailable; connections may need a moment after a fault."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(EtcdUnavailable):
                return await ask()
            await asyncio.sleep(0.05)


# leases ---------------------------------------------------------------------------------------------------------------


async def test_a_grant_gives_the_ttl_asked_for_counted_from_its_sending(harness: StoreHarness) -> None:
    before = harness.clock.now()
    granted = await harness.store.grant(TTL)
    assert granted.lease_id != 0
    assert granted.ttl_seconds == TTL
    assert before <= granted.sent_at <= harness.clock.now()


async def test_every_grant_is_another_lease(harness: StoreHarness) -> None:
    leases = {(await harness.store.grant(TTL)).lease_id for _ in range(3)}
    assert len(leases) == 3


async def test_a_renewal_counts_from_its_own_sending(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    for _ in range(2):
        before = harness.clock.now()
        renewal = await harness.store.renew(lease.lease_id, harness.attempt_seconds)
        assert (renewal.lease_id, renewal.ttl_seconds) == (lease.lease_id, TTL)
        assert before <= renewal.sent_at <= harness.clock.now()


async def test_renewals_keep_a_lease_longer_than_its_ttl(harness: StoreHarness) -> None:
    ttl = harness.smallest_ttl_seconds
    lease = await harness.store.grant(ttl)
    answer = await harness.store.claim(harness.lock, lease.lease_id, "a", with_queue=False)
    for _ in range(8):
        await asyncio.sleep(ttl / 3)
        assert (await harness.store.renew(lease.lease_id, harness.attempt_seconds)).ttl_seconds == ttl
    assert await harness.key(answer.mine.name) == answer.mine


async def test_a_lease_that_was_revoked_is_answered_with_no_ttl(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    await harness.revoke_by_hand(lease.lease_id)
    assert (await harness.store.renew(lease.lease_id, harness.attempt_seconds)).ttl_seconds <= 0


async def test_a_lease_that_ran_out_is_answered_with_no_ttl(harness: StoreHarness) -> None:
    lease = await harness.store.grant(harness.smallest_ttl_seconds)
    await harness.expire(lease.lease_id)
    assert (await harness.store.renew(lease.lease_id, harness.attempt_seconds)).ttl_seconds <= 0


async def test_a_lease_of_another_session_can_be_renewed_next(harness: StoreHarness) -> None:
    first, second = await harness.store.grant(TTL), await harness.store.grant(TTL - 1)
    await harness.revoke_by_hand(first.lease_id)
    assert (await harness.store.renew(first.lease_id, harness.attempt_seconds)).ttl_seconds <= 0
    assert (await harness.store.renew(second.lease_id, harness.attempt_seconds)).ttl_seconds == TTL - 1


async def test_revoking_takes_every_key_of_the_lease_along(harness: StoreHarness) -> None:
    answer = await joined(harness.store, harness.lock, "a")
    await harness.store.revoke(answer.mine.lease_id)
    assert await harness.key(answer.mine.name) is None


async def test_revoking_a_lease_that_is_gone_is_fine(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    await harness.store.revoke(lease.lease_id)
    await harness.store.revoke(lease.lease_id)


# claims ---------------------------------------------------------------------------------------------------------------


async def test_a_claim_puts_a_key_named_by_its_lease_whose_token_is_its_revision(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    answer = await harness.store.claim(harness.lock, lease.lease_id, "pod-a", with_queue=False)
    revision = answer.header.revision
    expected = LockKey(f"{harness.lock}/{lease.lease_id:x}", revision, revision, lease.lease_id, "pod-a")
    assert answer.mine == expected
    assert await harness.key(expected.name) == expected


async def test_repeating_a_claim_finds_the_key_of_the_first(harness: StoreHarness) -> None:
    first = await joined(harness.store, harness.lock, "a")
    again = await harness.store.claim(harness.lock, first.mine.lease_id, "a", with_queue=True)
    assert again.mine == first.mine
    assert again.view is not None
    assert again.view.first == first.mine


async def test_a_repeated_claim_shows_a_key_that_somebody_moved_to_another_lease(harness: StoreHarness) -> None:
    first, other = await joined(harness.store, harness.lock, "a"), await harness.store.grant(TTL)
    await harness.put_by_hand(first.mine.name, "a", other.lease_id)
    again = await harness.store.claim(harness.lock, first.mine.lease_id, "a", with_queue=True)
    assert again.mine.lease_id == other.lease_id
    assert again.mine.create_revision == first.mine.create_revision


async def test_a_claim_that_reads_the_queue_along_says_who_is_first_and_who_is_ahead(harness: StoreHarness) -> None:
    first = await joined(harness.store, harness.lock, "a")
    second = await joined(harness.store, harness.lock, "b")
    third = await joined(harness.store, harness.lock, "c")
    assert first.view is not None
    assert third.view is not None
    assert (first.view.first, first.view.mine, first.view.ahead, first.view.count) == (first.mine, first.mine, None, 1)
    assert third.view.first == first.mine
    assert third.view.mine == third.mine
    assert third.view.ahead == second.mine
    assert third.view.count == 3
    assert third.view.header == third.header


async def test_a_claim_reads_no_queue_along_unless_asked(harness: StoreHarness) -> None:
    assert (await joined(harness.store, harness.lock, "a", with_queue=False)).view is None


async def test_a_claim_with_a_lease_that_is_gone_is_refused(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    await harness.revoke_by_hand(lease.lease_id)
    with pytest.raises(LeaseNotFound):
        await harness.store.claim(harness.lock, lease.lease_id, "a", with_queue=True)
    assert await harness.key(key_name(harness.lock, lease.lease_id)) is None


async def test_the_key_goes_with_its_lease(harness: StoreHarness) -> None:
    lease = await harness.store.grant(harness.smallest_ttl_seconds)
    answer = await harness.store.claim(harness.lock, lease.lease_id, "a", with_queue=False)
    await harness.expire(lease.lease_id)
    assert (await harness.store.confirm(answer.mine.name))[1] is None


async def test_tokens_grow_from_one_claim_to_the_next(harness: StoreHarness) -> None:
    tokens = []
    for identity in "abc":
        answer = await joined(harness.store, harness.lock, identity)
        tokens.append(answer.mine.create_revision)
        await harness.store.release(answer.mine.name, answer.mine.create_revision)
    assert tokens == sorted(set(tokens))


# the queue ------------------------------------------------------------------------------------------------------------


async def test_an_empty_queue_has_nobody(harness: StoreHarness) -> None:
    view = await harness.store.look(harness.lock, key_name(harness.lock, 1), None)
    assert (view.first, view.mine, view.ahead, view.count, view.ignored) == (None, None, None, 0, ())


async def test_looking_shows_the_first_mine_and_the_nearest_ahead(harness: StoreHarness) -> None:
    first, second, third, _ = [(await joined(harness.store, harness.lock, name)).mine for name in "abcd"]
    view = await harness.store.look(harness.lock, third.name, third.create_revision)
    assert (view.first, view.mine, view.ahead, view.count) == (first, third, second, 4)
    assert view.position in (3, None)


async def test_the_first_has_nobody_ahead(harness: StoreHarness) -> None:
    first = (await joined(harness.store, harness.lock, "a")).mine
    await joined(harness.store, harness.lock, "b")
    view = await harness.store.look(harness.lock, first.name, first.create_revision)
    assert (view.first, view.mine, view.ahead) == (first, first, None)


async def test_the_next_one_ahead_is_shown_once_the_nearest_has_gone(harness: StoreHarness) -> None:
    first, second, third = [(await joined(harness.store, harness.lock, name)).mine for name in "abc"]
    await harness.delete_by_hand(second.name)
    view = await harness.store.look(harness.lock, third.name, third.create_revision)
    assert view.ahead == first


async def test_somebody_without_a_key_looks_and_has_nobody_ahead(harness: StoreHarness) -> None:
    first = (await joined(harness.store, harness.lock, "a")).mine
    view = await harness.store.look(harness.lock, key_name(harness.lock, 0xABC), None)
    assert (view.first, view.mine, view.ahead, view.count) == (first, None, None, 1)


async def test_my_key_gone_shows_as_gone_with_those_ahead_of_its_old_place(harness: StoreHarness) -> None:
    first, second = [(await joined(harness.store, harness.lock, name)).mine for name in "ab"]
    await harness.delete_by_hand(second.name)
    view = await harness.store.look(harness.lock, second.name, second.create_revision)
    assert (view.first, view.mine, view.ahead) == (first, None, first)


async def test_my_key_made_anew_by_hand_shows_with_its_new_revision(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.delete_by_hand(mine.name)
    revision = await harness.put_by_hand(mine.name, "a", mine.lease_id)
    view = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert view.mine == LockKey(mine.name, revision, revision, mine.lease_id, "a")


async def test_a_look_sees_what_another_client_did_before(harness: StoreHarness) -> None:
    other = harness.another_store()
    theirs = (await joined(other, harness.lock, "theirs")).mine
    view = await harness.store.look(harness.lock, theirs.name, None)
    assert view.first == theirs
    assert view.header.revision >= theirs.create_revision


@pytest.mark.parametrize("remainder", ["lock", "ABC", "a/b", "0xab", " a", "", "\u00e9"])
async def test_a_key_that_no_candidate_can_have_is_nobody_and_is_reported(
    harness: StoreHarness, remainder: str
) -> None:
    strange = f"{harness.lock}/{remainder}"
    await harness.put_by_hand(strange, "x")
    mine = await joined(harness.store, harness.lock, "a")
    view = await harness.store.look(harness.lock, mine.mine.name, mine.mine.create_revision)
    assert (view.first, view.mine, view.ahead, view.ignored) == (mine.mine, mine.mine, None, (strange,))
    assert mine.view is not None
    assert (mine.view.first, mine.view.ahead, mine.view.ignored) == (mine.mine, None, (strange,))


async def test_a_strange_key_between_two_candidates_hides_neither(harness: StoreHarness) -> None:
    first = (await joined(harness.store, harness.lock, "a")).mine
    await harness.put_by_hand(f"{harness.lock}/strange", "x")
    second = (await joined(harness.store, harness.lock, "b")).mine
    view = await harness.store.look(harness.lock, second.name, second.create_revision)
    assert (view.first, view.ahead) == (first, first)


async def test_keys_that_are_not_utf8_do_no_harm(harness: StoreHarness) -> None:
    await harness.put_bytes(harness.lock.encode() + b"/\xff\xfe", b"\xff")
    mine = (await joined(harness.store, harness.lock, "a")).mine
    view = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert (view.first, view.ahead, view.count, len(view.ignored)) == (mine, None, 2, 1)
    assert len((await harness.store.candidates(harness.lock))[1]) == 2


async def test_values_that_are_not_utf8_do_no_harm(harness: StoreHarness) -> None:
    name = key_name(harness.lock, 0xABC)
    await harness.put_bytes(name.encode(), b"pod \xff")
    view = await harness.store.look(harness.lock, name, None)
    assert view.first is not None
    assert view.first.identity.startswith("pod ")
    view.first.identity.encode()


@pytest.mark.parametrize("sibling", ["", "0", "-other/abc", "other/abc"])
async def test_keys_of_other_locks_are_not_in_the_queue(harness: StoreHarness, sibling: str) -> None:
    await harness.put_by_hand(harness.lock + sibling, "x")
    mine = (await joined(harness.store, harness.lock, "a")).mine
    view = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert (view.first, view.ahead, view.count, view.ignored) == (mine, None, 1, ())


async def test_a_lock_name_is_taken_as_it_is(harness: StoreHarness) -> None:
    lock = harness.lock.removeprefix("/") + "//odd/../name/"
    mine = (await joined(harness.store, lock, "a")).mine
    assert mine.name == f"{lock}/{mine.lease_id:x}"
    assert await harness.key(mine.name) == mine
    assert (await harness.store.look(lock, mine.name, None)).first == mine


async def test_a_first_key_without_a_lease_is_shown_as_such(harness: StoreHarness) -> None:
    await harness.put_by_hand(key_name(harness.lock, 0xABC), "")
    view = await harness.store.look(harness.lock, key_name(harness.lock, 1), None)
    assert view.first is not None
    assert (view.first.lease_id, view.first.identity) == (0, "")


async def test_a_long_queue_shows_the_same_three(harness: StoreHarness) -> None:
    leases = [await harness.store.grant(TTL) for _ in range(70)]
    claims = [await harness.store.claim(harness.lock, lease.lease_id, "x", with_queue=True) for lease in leases]
    mine = claims[-1].mine
    view = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert (view.first, view.mine, view.ahead) == (claims[0].mine, mine, claims[-2].mine)
    assert (view.count, view.ignored) == (70, ())
    assert view.position in (70, None)
    assert [key for claim in claims if claim.view for key in (claim.view.mine,)] == [
        claim.mine for claim in claims if claim.view
    ]


async def test_a_long_queue_behind_a_strange_key_shows_the_same_three(harness: StoreHarness) -> None:
    await harness.put_by_hand(f"{harness.lock}/strange", "x")
    leases = [await harness.store.grant(TTL) for _ in range(70)]
    claims = [await harness.store.claim(harness.lock, lease.lease_id, "x", with_queue=False) for lease in leases]
    mine = claims[-1].mine
    view = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert (view.first, view.mine, view.ahead) == (claims[0].mine, mine, claims[-2].mine)
    assert (view.count, view.ignored) == (71, (f"{harness.lock}/strange",))


async def test_candidates_are_all_keys_in_queue_order(harness: StoreHarness) -> None:
    first = (await joined(harness.store, harness.lock, "a")).mine
    await harness.put_by_hand(f"{harness.lock}/strange", "x")
    second = (await joined(harness.store, harness.lock, "b")).mine
    await harness.put_by_hand(first.name, "renamed", first.lease_id)  # a later change moves nobody
    header, found = await harness.store.candidates(harness.lock)
    assert [key.name for key in found] == [first.name, f"{harness.lock}/strange", second.name]
    assert header.revision >= second.create_revision


# one key --------------------------------------------------------------------------------------------------------------


async def test_confirming_shows_the_key_as_it_is_now(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    assert (await harness.store.confirm(mine.name))[1] == mine
    changed = await harness.put_by_hand(mine.name, "b", mine.lease_id)
    header, found = await harness.store.confirm(mine.name)
    assert found == LockKey(mine.name, mine.create_revision, changed, mine.lease_id, "b")
    assert header.revision >= changed


async def test_confirming_a_key_that_is_gone_shows_none(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.delete_by_hand(mine.name)
    assert (await harness.store.confirm(mine.name))[1] is None


async def test_a_healthy_etcd_confirms_a_renewal_with_the_same_term(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    renewal = await harness.store.renew(mine.lease_id, harness.attempt_seconds)
    header, _ = await harness.store.confirm(mine.name)
    assert renewal.header.raft_term == header.raft_term
    assert renewal.header.cluster_id == header.cluster_id


async def test_a_release_deletes_my_key(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    assert await harness.store.release(mine.name, mine.create_revision) is True
    assert await harness.key(mine.name) is None
    assert (await harness.store.renew(mine.lease_id, harness.attempt_seconds)).ttl_seconds > 0


async def test_a_release_leaves_a_key_of_another_revision_alone(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.delete_by_hand(mine.name)
    revision = await harness.put_by_hand(mine.name, "another's")
    assert await harness.store.release(mine.name, mine.create_revision) is False
    found = await harness.key(mine.name)
    assert found is not None
    assert found.create_revision == revision


async def test_a_release_of_a_key_that_is_gone_says_so(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.store.release(mine.name, mine.create_revision)
    assert await harness.store.release(mine.name, mine.create_revision) is False


# watches --------------------------------------------------------------------------------------------------------------


async def test_a_watch_brings_what_happened_since_its_revision(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    deleted = await harness.delete_by_hand(mine.name)
    event = await next_event(harness.store, mine.name, mine.create_revision + 1)
    assert event == KeyEvent(mine.name, deleted, None)


async def test_a_watch_brings_every_change_in_order(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    seen = []
    async with aclosing(harness.store.watch(mine.name, mine.create_revision)) as events, asyncio.timeout(30):
        seen.append(await anext(events))
        moved = await harness.put_by_hand(mine.name, "b")
        seen.append(await anext(events))
        deleted = await harness.delete_by_hand(mine.name)
        made = await harness.put_by_hand(mine.name, "c")
        seen += [await anext(events), await anext(events)]
    assert seen == [
        KeyEvent(mine.name, mine.create_revision, mine),
        KeyEvent(mine.name, moved, LockKey(mine.name, mine.create_revision, moved, 0, "b")),
        KeyEvent(mine.name, deleted, None),
        KeyEvent(mine.name, made, LockKey(mine.name, made, made, 0, "c")),
    ]


async def test_a_watch_brings_nothing_of_other_keys(harness: StoreHarness) -> None:
    mine, other = [(await joined(harness.store, harness.lock, name)).mine for name in "ab"]
    await harness.delete_by_hand(other.name)
    await harness.put_by_hand(mine.name + "0", "longer name")
    deleted = await harness.delete_by_hand(mine.name)
    event = await next_event(harness.store, mine.name, other.create_revision)
    assert event == KeyEvent(mine.name, deleted, None)


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_lease_that_ends_shows_as_its_keys_deletion(harness: StoreHarness, how: str) -> None:
    lease = await harness.store.grant(harness.smallest_ttl_seconds)
    mine = (await harness.store.claim(harness.lock, lease.lease_id, "a", with_queue=False)).mine
    watching = asyncio.create_task(next_event(harness.store, mine.name, mine.create_revision + 1))
    if how == "revoked":
        await harness.revoke_by_hand(lease.lease_id)
    else:
        await harness.expire(lease.lease_id)
    assert (await watching).key is None


async def test_a_watch_from_before_a_compaction_is_lost(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    for value in "bcd":
        await harness.put_by_hand(mine.name, value, mine.lease_id)
    await harness.compact()
    await is_lost(harness.store.watch(mine.name, mine.create_revision))


async def test_a_watch_that_waits_survives_a_compaction(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    async with aclosing(await watched(harness.store, mine)) as events, asyncio.timeout(30):
        await harness.put_by_hand(f"{harness.lock}/strange", "x")
        await harness.compact()
        deleted = await harness.delete_by_hand(mine.name)
        assert await anext(events) == KeyEvent(mine.name, deleted, None)


async def test_a_watch_whose_connection_breaks_is_lost(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    events = await watched(harness.store, mine)
    await harness.drop_connections()
    await is_lost(events)
    assert (await answered(lambda: harness.store.confirm(mine.name)))[1] == mine


async def test_a_watch_is_lost_once_another_call_found_etcd_silent(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    events = await watched(harness.store, mine)
    await harness.silence()
    with pytest.raises(EtcdUnavailable):
        await harness.store.confirm(mine.name)
    await harness.resume()
    await is_lost(events)


async def test_closing_a_watch_ends_it(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    events = await watched(harness.store, mine)
    async with asyncio.timeout(10):
        await events.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_watchers_cancellation_ends_its_watch(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    events = await watched(harness.store, mine)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert (await harness.store.confirm(mine.name))[1] == mine


# silence --------------------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[StoreHarness, LockKey], Awaitable[object]]] = {
    "grant": lambda harness, mine: harness.store.grant(TTL),
    "renew": lambda harness, mine: harness.store.renew(mine.lease_id, harness.attempt_seconds),
    "revoke": lambda harness, mine: harness.store.revoke(mine.lease_id),
    "claim": lambda harness, mine: harness.store.claim(harness.lock, mine.lease_id, "a", with_queue=True),
    "look": lambda harness, mine: harness.store.look(harness.lock, mine.name, mine.create_revision),
    "confirm": lambda harness, mine: harness.store.confirm(mine.name),
    "release": lambda harness, mine: harness.store.release(mine.name, mine.create_revision),
    "candidates": lambda harness, mine: harness.store.candidates(harness.lock),
    "muster": lambda harness, mine: harness.store.muster(harness.lock),
    "shift": lambda harness, mine: harness.store.shift([], [mine]),
    "read_value": lambda harness, mine: harness.store.read_value(f"{mine.name}-value"),
    "write_value": lambda harness, mine: harness.store.write_value(
        f"{mine.name}-value", b"v", revision=0, leader=mine.name, token=mine.create_revision
    ),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_etcd_does_not_answer_fails_within_its_deadline(harness: StoreHarness, call: str) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.silence()
    before = harness.clock.now()
    with pytest.raises(EtcdUnavailable):
        await CALLS[call](harness, mine)
    assert harness.clock.now() - before < 2 * harness.attempt_seconds
    await harness.resume()
    await answered(lambda: CALLS[call](harness, mine))


async def test_an_answer_to_a_renewal_given_up_is_not_taken_for_the_next_ones(harness: StoreHarness) -> None:
    lease = await harness.store.grant(TTL)
    await harness.store.renew(lease.lease_id, harness.attempt_seconds)
    await harness.silence()
    with pytest.raises(EtcdUnavailable):
        await harness.store.renew(lease.lease_id, harness.attempt_seconds)
    await harness.resume()
    before = harness.clock.now()
    renewal = await answered(lambda: harness.store.renew(lease.lease_id, harness.attempt_seconds))
    assert renewal.sent_at >= before


# history --------------------------------------------------------------------------------------------------------------


async def went_back(ask: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(HistoryWentBack):
        await answered(ask)


async def test_a_history_rolled_back_is_noticed_once_and_then_the_new_one_counts(harness: StoreHarness) -> None:
    await harness.checkpoint()
    mine = (await joined(harness.store, harness.lock, "a")).mine
    for value in "bcd":
        await harness.put_by_hand(mine.name, value, mine.lease_id)
    await harness.store.confirm(mine.name)
    await harness.roll_back()
    await went_back(lambda: harness.store.confirm(mine.name))
    assert (await harness.store.confirm(mine.name))[1] is None
    again = (await joined(harness.store, harness.lock, "a")).mine
    assert (await harness.store.look(harness.lock, again.name, again.create_revision)).first == again


async def test_another_cluster_in_etcds_place_is_noticed_once(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.replace()
    await went_back(lambda: harness.store.look(harness.lock, mine.name, None))
    again = (await joined(harness.store, harness.lock, "a")).mine
    assert (await harness.store.confirm(again.name))[1] == again


async def test_another_cluster_is_noticed_by_a_renewal_too(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock, "a")).mine
    await harness.replace()
    await went_back(lambda: harness.store.renew(mine.lease_id, harness.attempt_seconds))
    assert (await harness.store.renew(mine.lease_id, harness.attempt_seconds)).ttl_seconds <= 0


async def test_no_watch_goes_on_in_another_history(harness: StoreHarness) -> None:
    await harness.checkpoint()
    mine = (await joined(harness.store, harness.lock, "a")).mine
    events = await watched(harness.store, mine)
    await harness.roll_back()
    await is_lost(events)
