"""The simulated etcd as the store's contract suite wants it (``tests/support/store_harness.py``), in real time."""

import asyncio
import itertools
from random import Random

from sidecar.clock import Clock
from sidecar.election.queue import LockKey
from tests.simulation.etcd import SCAN_SECONDS, SimulatedEtcd
from tests.simulation.host import Host
from tests.simulation.keyspace import Keyspace
from tests.simulation.store import SimulatedStore
from tests.simulation.trace import Trace

_serial = itertools.count(1)


class SimulatedHarness:
    """Call ``start`` in a running loop, and ``close`` at the end."""

    attempt_seconds = 0.4
    smallest_ttl_seconds = 1

    def __init__(self, seed: int = 1) -> None:
        rng, trace = Random(seed), Trace()
        self.etcd = SimulatedEtcd(rng, trace, members=1, minimum_ttl=self.smallest_ttl_seconds)
        self.lock = f"/contract/{next(_serial)}"
        self._host = Host("contract", rng, trace)
        self._stores: list[SimulatedStore] = []
        self._kept: Keyspace | None = None
        self.store = self.another_store()

    @property
    def clock(self) -> Clock:
        return self._host.clock

    def start(self) -> None:
        self.etcd.start()

    async def close(self) -> None:
        for store in self._stores:
            await store.close()
        self.etcd.close()

    def another_store(self) -> SimulatedStore:
        store = SimulatedStore(self.etcd, self._host, self.attempt_seconds)
        self._stores.append(store)
        return store

    async def put_by_hand(self, name: str, value: str, lease_id: int = 0) -> int:
        self.etcd.by_hand(lambda truth: truth.put(name, lease_id, value))
        return self.etcd.truth.revision

    async def put_bytes(self, name: bytes, value: bytes) -> int:
        return await self.put_by_hand(name.decode(errors="backslashreplace"), value.decode(errors="backslashreplace"))

    async def delete_by_hand(self, name: str) -> int:
        self.etcd.by_hand(lambda truth: truth.delete([name]))
        return self.etcd.truth.revision

    async def revoke_by_hand(self, lease_id: int) -> None:
        self.etcd.by_hand(lambda truth: truth.revoke(lease_id))

    async def expire(self, lease_id: int) -> None:
        lease = self.etcd.truth.leases[lease_id]
        await asyncio.sleep(lease.expires_at - self.etcd.now + 1.1 * SCAN_SECONDS)
        assert lease_id not in self.etcd.truth.leases

    async def key(self, name: str) -> LockKey | None:
        return self.etcd.truth.keys.get(name)

    async def compact(self) -> int:
        self.etcd.by_hand(lambda truth: truth.compact(truth.revision))
        return self.etcd.truth.revision

    async def drop_connections(self) -> None:
        for watcher in list(self.etcd.watchers):
            watcher.lose("connection reset")

    async def silence(self) -> None:
        self._host.network.cut = True

    async def resume(self) -> None:
        self._host.network.cut = False
        self.etcd.network_changed()

    async def checkpoint(self) -> None:
        self._kept = self.etcd.truth.snapshot()

    async def roll_back(self) -> None:
        assert self._kept is not None, "there is no checkpoint"
        self.etcd.restore(self._kept, same_cluster=True)

    async def replace(self) -> None:
        self.etcd.restore(Keyspace(), same_cluster=False)
