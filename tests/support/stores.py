"""Every call of a lock store, by name, for tests that hold the same promise for each of them; and waits."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest

from sidecar.election.queue import LockKey
from sidecar.errors import EtcdUnavailable, WatchLost
from sidecar.etcd.port import KeyEvent, LockStore, Note

T = TypeVar("T")

TTL = 30
"""Long enough that no lease ends by itself where a test does not want it."""

_PATIENCE_SECONDS = 30.0


async def _watched(store: LockStore, mine: LockKey) -> KeyEvent:
    async with aclosing(store.watch(mine.name, mine.create_revision)) as events:
        return await anext(events)


CALLS: dict[str, Callable[[LockStore, LockKey], Awaitable[object]]] = {
    "grant": lambda store, mine: store.grant(TTL),
    "renew": lambda store, mine: store.renew(mine.lease_id, 5.0),
    "revoke": lambda store, mine: store.revoke(mine.lease_id),
    "claim": lambda store, mine: store.claim(lock_of(mine), mine.lease_id, "a", with_queue=True),
    "look": lambda store, mine: store.look(lock_of(mine), mine.name, mine.create_revision),
    "confirm": lambda store, mine: store.confirm(mine.name),
    "probe": lambda store, mine: store.probe(mine.lease_id),
    "record": lambda store, mine: store.record(mine.name, mine.create_revision, Note(f"{mine.name}.note", "x")),
    "release": lambda store, mine: store.release(mine.name, mine.create_revision),
    "candidates": lambda store, mine: store.candidates(lock_of(mine)),
    "shift": lambda store, mine: store.shift([], [mine]),
    "read_value": lambda store, mine: store.read_value(f"{mine.name}-value"),
    "write_value": lambda store, mine: store.write_value(
        f"{mine.name}-value", b"v", revision=0, leader=mine.name, token=mine.create_revision
    ),
}
"""What a candidate with this key may ask."""

CALLS_AND_WATCH = CALLS | {"watch": _watched}


def lock_of(key: LockKey) -> str:
    return key.name.rpartition("/")[0]


async def joined(store: LockStore, lock: str, identity: str = "a") -> LockKey:
    """A new candidate, with a lease of its own."""
    lease = await store.grant(TTL)
    return (await store.claim(lock, lease.lease_id, identity, with_queue=True)).mine


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while etcd is unavailable; connections may need a moment after a fault."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(EtcdUnavailable):
                return await ask()
            await asyncio.sleep(0.05)


async def becomes_true(ask: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not ask():
        assert time.monotonic() < ends, "it never became true"
        await asyncio.sleep(0.02)


async def watched(store: LockStore, key: LockKey) -> AsyncGenerator[KeyEvent, None]:
    """A watch that has begun: it has brought the key's creation, and waits for what comes."""
    events = store.watch(key.name, key.create_revision)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        assert (await anext(events)).key == key
    return events


async def is_lost(events: AsyncGenerator[KeyEvent, None]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        with pytest.raises(WatchLost):
            await anext(events)
