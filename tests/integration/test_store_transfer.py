"""What the port promises for member keys and transfers, on the simulated etcd and on real ones."""

import pytest

from sidecar.election.member import member_name, members_below
from sidecar.election.queue import LockKey
from sidecar.election.transfer import MOST_AT_ONCE
from sidecar.etcd.port import ClaimAnswer, LockStore
from tests.support.store_harness import StoreHarness

pytestmark = pytest.mark.timeout(120)

TTL = 30


async def joined(store: LockStore, lock: str, member: str | None = "m") -> ClaimAnswer:
    lease = await store.grant(TTL)
    return await store.claim(lock, lease.lease_id, "pod", with_queue=True, member=member)


async def test_the_member_key_is_put_with_the_claim_in_one_revision_and_on_its_lease(harness: StoreHarness) -> None:
    answer = await joined(harness.store, harness.lock, "a member")
    assert answer.view is not None
    assert answer.view.count == 1
    found = await harness.key(member_name(harness.lock, answer.mine.lease_id))
    assert found is not None
    assert (found.identity, found.lease_id) == ("a member", answer.mine.lease_id)
    assert found.create_revision == answer.mine.create_revision == answer.header.revision


async def test_the_member_key_goes_with_the_lease(harness: StoreHarness) -> None:
    mine = (await joined(harness.store, harness.lock)).mine
    await harness.store.revoke(mine.lease_id)
    assert await harness.key(member_name(harness.lock, mine.lease_id)) is None


async def test_the_member_key_outlasts_the_place_in_the_queue_and_is_renewed_with_the_next(
    harness: StoreHarness,
) -> None:
    mine = (await joined(harness.store, harness.lock, "before")).mine
    await harness.store.release(mine.name, mine.create_revision)
    assert await harness.key(member_name(harness.lock, mine.lease_id)) is not None
    await harness.store.claim(harness.lock, mine.lease_id, "pod", with_queue=False, member="after")
    found = await harness.key(member_name(harness.lock, mine.lease_id))
    assert found is not None
    assert found.identity == "after"


async def test_member_keys_are_in_nobodys_queue(harness: StoreHarness) -> None:
    await joined(harness.store, harness.lock)
    assert (await harness.store.candidates(members_below(harness.lock)))[1] != ()
    _, keys = await harness.store.candidates(harness.lock)
    assert len(keys) == 1


# mustering ------------------------------------------------------------------------------------------------------------


async def test_a_muster_shows_the_queue_and_who_in_it_is_a_sidecar_at_one_revision(harness: StoreHarness) -> None:
    first, foreign, last = [(await joined(harness.store, harness.lock, member)).mine for member in ("a", None, "c")]
    muster = await harness.store.muster(harness.lock)
    assert muster.keys == (first, foreign, last)
    assert muster.members == {f"{first.lease_id:x}": "a", f"{last.lease_id:x}": "c"}
    assert muster.header.revision == last.create_revision


async def test_a_muster_of_an_empty_lock_shows_nobody(harness: StoreHarness) -> None:
    muster = await harness.store.muster(harness.lock)
    assert (muster.keys, muster.members) == ((), {})


async def test_members_of_another_lock_are_not_mustered(harness: StoreHarness) -> None:
    await joined(harness.store, f"{harness.lock}0", "another's")
    await joined(harness.store, f"{harness.lock}/below", "another's")
    assert (await harness.store.muster(harness.lock)).members == {}


# shifting -------------------------------------------------------------------------------------------------------------


async def queue_of(harness: StoreHarness, length: int) -> list[LockKey]:
    return [(await joined(harness.store, harness.lock)).mine for _ in range(length)]


async def test_a_shift_deletes_its_keys_and_no_others_in_one_revision(harness: StoreHarness) -> None:
    first, second, third, last = await queue_of(harness, 4)
    seen = [harness.store.watch(key.name, last.create_revision + 1) for key in (first, second)]
    assert await harness.store.shift([third], [first, second]) is True
    events = [await anext(watch) for watch in seen]
    assert [(event.key, event.revision) for event in events] == [(None, events[0].revision)] * 2
    assert (await harness.store.candidates(harness.lock))[1] == (third, last)
    assert (await harness.store.renew(second.lease_id, harness.attempt_seconds)).ttl_seconds > 0
    for watch in seen:
        await watch.aclose()


@pytest.mark.parametrize("changed", [0, 1, 2], ids=["kept", "first to go", "next to go"])
@pytest.mark.parametrize("how", ["gone", "made anew"])
async def test_a_shift_does_nothing_when_one_of_its_keys_is_another_by_now(
    harness: StoreHarness, changed: int, how: str
) -> None:
    keys = await queue_of(harness, 3)
    kept, *gone = keys
    await harness.delete_by_hand(keys[changed].name)
    if how == "made anew":
        await harness.put_by_hand(keys[changed].name, "again", keys[changed].lease_id)
    _, before = await harness.store.candidates(harness.lock)
    assert await harness.store.shift([kept], gone) is False
    assert (await harness.store.candidates(harness.lock))[1] == before


async def test_a_shift_leaves_a_key_whose_value_was_changed_by_its_owner_its_place_all_the_same(
    harness: StoreHarness,
) -> None:
    """Go's ``Election.Proclaim`` writes a key again: it is still the same place in the queue."""
    first, second = await queue_of(harness, 2)
    await harness.put_by_hand(second.name, "another name", second.lease_id)
    assert await harness.store.shift([second], [first]) is True


async def test_a_shift_takes_as_many_keys_as_a_transfer_moves_at_once(harness: StoreHarness) -> None:
    keys = await queue_of(harness, MOST_AT_ONCE + 2)
    assert await harness.store.shift(keys[-1:], keys[:-1]) is True
    assert (await harness.store.candidates(harness.lock))[1] == (keys[-1],)
