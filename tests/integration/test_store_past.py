"""What the port promises for the notes of earlier leaderships, on the simulated etcd and on real ones."""

import pytest

from sidecar.election.past import NO_PAST, Leadership, Past, leading_name, released_name, write_leadership
from sidecar.election.queue import LockKey
from sidecar.etcd.port import Note
from tests.support.store_harness import StoreHarness

pytestmark = pytest.mark.timeout(120)

TTL = 30


async def joined(harness: StoreHarness) -> LockKey:
    lease = await harness.store.grant(TTL)
    return (await harness.store.claim(harness.lock, lease.lease_id, "pod", with_queue=False, member="m")).mine


def record_of(harness: StoreHarness, mine: LockKey) -> Note:
    return Note(leading_name(harness.lock), write_leadership(Leadership(mine.create_revision, 7, 10.0)))


def mark_of(harness: StoreHarness, mine: LockKey) -> Note:
    return Note(released_name(harness.lock), str(mine.create_revision))


async def past(harness: StoreHarness) -> Past:
    return (await harness.store.look(harness.lock, "nobody", None, past=True)).past


async def test_a_record_reads_my_key_and_stays_when_my_lease_goes(harness: StoreHarness) -> None:
    mine = await joined(harness)
    header, key = await harness.store.record(mine.name, mine.create_revision, record_of(harness, mine))
    assert key == mine
    assert header.raft_term > 0
    await harness.store.revoke(mine.lease_id)
    assert await past(harness) == Past(Leadership(mine.create_revision, 7, 10.0), None)


async def test_a_key_of_another_revision_is_read_and_nothing_is_recorded(harness: StoreHarness) -> None:
    mine = await joined(harness)
    _, key = await harness.store.record(mine.name, mine.create_revision + 1, record_of(harness, mine))
    assert key == mine
    await harness.store.release(mine.name, mine.create_revision)
    _, key = await harness.store.record(mine.name, mine.create_revision, record_of(harness, mine))
    assert key is None
    assert await past(harness) == NO_PAST


async def test_a_release_leaves_its_mark_in_the_same_revision(harness: StoreHarness) -> None:
    mine = await joined(harness)
    assert await harness.store.release(mine.name, mine.create_revision, mark_of(harness, mine)) is True
    assert await past(harness) == Past(None, mine.create_revision)
    found = await harness.key(released_name(harness.lock))
    assert found is not None
    assert found.lease_id == 0
    gone = await anext(harness.store.watch(mine.name, mine.create_revision + 1))
    assert (gone.key, gone.revision) == (None, found.mod_revision)


async def test_a_release_of_nothing_marks_nothing(harness: StoreHarness) -> None:
    mine = await joined(harness)
    assert await harness.store.release(mine.name, mine.create_revision + 1, mark_of(harness, mine)) is False
    assert await past(harness) == NO_PAST


@pytest.mark.parametrize("as_it_was", [True, False])
async def test_a_shift_leaves_its_mark_only_if_it_takes_place(harness: StoreHarness, *, as_it_was: bool) -> None:
    mine, heir = await joined(harness), await joined(harness)
    if not as_it_was:
        await harness.delete_by_hand(heir.name)
    assert await harness.store.shift([heir], [mine], mark_of(harness, mine)) is as_it_was
    assert await past(harness) == (Past(None, mine.create_revision) if as_it_was else NO_PAST)


@pytest.mark.parametrize("keys", [1, 70])
async def test_the_past_comes_with_the_queue_short_or_long_and_only_when_asked_for(
    harness: StoreHarness, keys: int
) -> None:
    waiting = [await joined(harness) for _ in range(keys)]
    first = waiting[0]
    await harness.store.record(first.name, first.create_revision, record_of(harness, first))
    known = Past(Leadership(first.create_revision, 7, 10.0), None)
    mine = waiting[-1]
    asked = await harness.store.look(harness.lock, mine.name, mine.create_revision, past=True)
    assert (asked.past, asked.first, asked.mine, asked.count) == (known, first, mine, keys)
    not_asked = await harness.store.look(harness.lock, mine.name, mine.create_revision)
    assert (not_asked.past, not_asked.first, not_asked.ahead) == (NO_PAST, first, asked.ahead)


async def test_the_past_comes_with_a_sidecars_claim_that_brings_the_queue(harness: StoreHarness) -> None:
    mine = await joined(harness)
    await harness.store.release(mine.name, mine.create_revision, mark_of(harness, mine))
    lease = await harness.store.grant(TTL)
    answer = await harness.store.claim(harness.lock, lease.lease_id, "pod", with_queue=True, member="m")
    assert answer.view is not None
    assert answer.view.past == Past(None, mine.create_revision)
    again = await harness.store.claim(harness.lock, lease.lease_id, "pod", with_queue=True, member="m")
    assert again.view is not None
    assert (again.view.past, again.view.first) == (answer.view.past, answer.mine)


async def test_a_probe_says_how_long_a_lease_has_left_and_renews_nothing(harness: StoreHarness) -> None:
    lease = await harness.store.grant(harness.smallest_ttl_seconds)
    probe = await harness.store.probe(lease.lease_id)
    assert probe is not None
    assert probe.lease_id == lease.lease_id
    assert probe.ttl_seconds == lease.ttl_seconds
    assert lease.ttl_seconds - 2 <= probe.left_seconds <= lease.ttl_seconds
    assert lease.sent_at <= probe.asked_at <= harness.clock.now()
    await harness.expire(lease.lease_id)
    assert await harness.store.probe(lease.lease_id) is None
