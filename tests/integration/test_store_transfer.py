"""What the port promises for member keys and transfers, on the simulated etcd and on real ones."""

import pytest

from sidecar.election.member import member_name, members_below
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
