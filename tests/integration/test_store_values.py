"""Values that only the leader can write: what ``sidecar.etcd.port`` promises of them, on every store."""

from collections.abc import Awaitable, Callable

import pytest

from sidecar.election.queue import LockKey
from sidecar.election.state import ABSENT, MOST_VALUE_BYTES, state_name
from sidecar.etcd.port import LockStore, Value, WriteAnswer
from sidecar.http.condition import NEVER
from tests.support.store_harness import StoreHarness
from tests.support.stores import joined

pytestmark = pytest.mark.timeout(120)

DEPOSED, CHANGED = WriteAnswer(None, led=False), WriteAnswer(None, led=True)


class Leader:
    """Who holds ``key``, and writes one value under it."""

    def __init__(self, harness: StoreHarness, key: LockKey) -> None:
        self.store: LockStore = harness.store
        self.key, self.name = key, state_name(harness.lock, "x")

    async def write(self, content: bytes | None, revision: int = ABSENT) -> WriteAnswer:
        return await self.store.write_value(
            self.name, content, revision=revision, leader=self.key.name, token=self.key.create_revision
        )

    async def put(self, content: bytes, revision: int = ABSENT) -> int:
        """The revision of a write that must be done."""
        answer = await self.write(content, revision)
        assert answer.led
        assert answer.revision is not None
        return answer.revision

    async def read(self) -> Value | None:
        return await self.store.read_value(self.name)


@pytest.fixture
async def leader(harness: StoreHarness) -> Leader:
    return Leader(harness, await joined(harness.store, harness.lock))


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"x" * MOST_VALUE_BYTES], ids=["empty", "binary", "largest"])
async def test_a_value_reads_back_byte_by_byte_with_the_revision_of_its_change(leader: Leader, content: bytes) -> None:
    revision = await leader.put(content)
    assert await leader.read() == Value(content, revision)


async def test_a_value_that_nobody_put_is_none(leader: Leader) -> None:
    assert await leader.read() is None


async def test_another_client_reads_what_was_written_before(harness: StoreHarness, leader: Leader) -> None:
    revision = await leader.put(b"1")
    assert await harness.another_store().read_value(leader.name) == Value(b"1", revision)


async def test_a_value_is_created_once(leader: Leader) -> None:
    revision = await leader.put(b"1")
    assert await leader.write(b"2") == CHANGED
    assert await leader.read() == Value(b"1", revision)


async def test_a_value_is_replaced_at_the_revision_that_was_read_and_at_no_other(leader: Leader) -> None:
    first = await leader.put(b"1")
    second = await leader.put(b"2", first)
    assert second > first
    for revision in (ABSENT, first, second + 1, NEVER):
        assert await leader.write(b"3", revision) == CHANGED
    assert await leader.read() == Value(b"2", second)


@pytest.mark.parametrize("content", [b"2", None], ids=["put", "delete"])
async def test_a_late_repeat_of_a_write_does_nothing(leader: Leader, content: bytes | None) -> None:
    first = await leader.put(b"1")
    assert (await leader.write(content, first)).revision is not None
    assert await leader.write(content, first) == CHANGED


async def test_a_value_that_was_deleted_and_made_anew_is_another(leader: Leader) -> None:
    first = await leader.put(b"1")
    deleted = await leader.write(None, first)
    assert deleted.revision is not None
    assert await leader.read() is None
    again = await leader.put(b"1")
    assert again > deleted.revision > first
    assert await leader.write(b"2", first) == CHANGED
    assert await leader.read() == Value(b"1", again)


async def test_deleting_what_is_not_there_is_a_change_not_found(leader: Leader) -> None:
    assert await leader.write(None, NEVER) == CHANGED
    assert await leader.write(b"1", NEVER) == CHANGED
    assert await leader.read() is None


async def test_a_value_outlives_its_writers_lease(harness: StoreHarness, leader: Leader) -> None:
    revision = await leader.put(b"1")
    await harness.store.revoke(leader.key.lease_id)
    assert await leader.read() == Value(b"1", revision)


async def released(harness: StoreHarness, key: LockKey) -> None:
    assert await harness.store.release(key.name, key.create_revision)


async def revoked(harness: StoreHarness, key: LockKey) -> None:
    await harness.revoke_by_hand(key.lease_id)


async def made_anew(harness: StoreHarness, key: LockKey) -> None:
    await harness.delete_by_hand(key.name)
    await harness.put_by_hand(key.name, key.identity, key.lease_id)


@pytest.mark.parametrize("depose", [released, revoked, made_anew])
async def test_a_deposed_leader_writes_nothing_whatever_it_has_read(
    harness: StoreHarness, leader: Leader, depose: Callable[[StoreHarness, LockKey], Awaitable[None]]
) -> None:
    revision = await leader.put(b"1")
    await depose(harness, leader.key)
    assert await leader.write(b"2", revision) == DEPOSED
    assert await leader.write(None, revision) == DEPOSED
    assert await leader.write(b"2") == DEPOSED, "told of the lead first, and of the value only while it leads"
    assert await leader.read() == Value(b"1", revision)


async def test_the_successor_goes_on_from_what_the_last_leader_wrote(harness: StoreHarness, leader: Leader) -> None:
    successor = Leader(harness, await joined(harness.store, harness.lock, "b"))
    first = await leader.put(b"1")
    await released(harness, leader.key)
    second = await successor.put(b"2", first)
    assert await leader.write(b"3", second) == DEPOSED
    assert await leader.read() == Value(b"2", second)


async def test_a_leaders_key_whose_value_was_changed_by_hand_still_guards(
    harness: StoreHarness, leader: Leader
) -> None:
    await harness.put_by_hand(leader.key.name, "renamed", leader.key.lease_id)
    assert (await leader.write(b"1")).led


async def test_values_of_locks_nested_in_one_another_are_apart(harness: StoreHarness, leader: Leader) -> None:
    lock = f"{harness.lock}/x"
    inner = Leader(harness, await joined(harness.store, lock))
    inner.name = state_name(lock, "x")
    first, second = await leader.put(b"1"), await inner.put(b"2")
    assert (await leader.read(), await inner.read()) == (Value(b"1", first), Value(b"2", second))
