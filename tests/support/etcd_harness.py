"""The store's contract suite on real etcd: ``StoreHarness`` over a running one-member cluster."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import grpc.aio

from sidecar.clock import Clock, SystemClock
from sidecar.election.queue import LockKey
from sidecar.etcd.keys import key_of
from sidecar.etcd.protocol import rpc, stub
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from sidecar.metrics import Metrics
from tests.support.etcd import Cluster

_serial = itertools.count(1)


class EtcdHarness:
    """See ``StoreHarness``. Call ``close`` at the end of the test; the cluster goes on for the next."""

    attempt_seconds = 1.5
    smallest_ttl_seconds = 1

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.lock = f"/contract/{next(_serial)}"
        self.clock: Clock = SystemClock()
        self.metrics = Metrics()
        self._stores: list[EtcdStore] = []
        self._channel = grpc.aio.insecure_channel(cluster.only.url.removeprefix("http://"))
        self._kv, self._lease = stub("KV", self._channel), stub("Lease", self._channel)
        self._silent = False
        self.store = self.another_store()

    async def close(self) -> None:
        await self.resume()
        for store in self._stores:
            await store.close()
        await self._channel.close()

    def another_store(self) -> EtcdStore:
        store = EtcdStore(EtcdSettings(self.cluster.endpoints, self.attempt_seconds), self.clock, self.metrics)
        self._stores.append(store)
        return store

    async def put_by_hand(self, name: str, value: str, lease_id: int = 0) -> int:
        return await self._put(rpc.PutRequest(key=name.encode(), value=value.encode(), lease=lease_id))

    async def put_bytes(self, name: bytes, value: bytes) -> int:
        return await self._put(rpc.PutRequest(key=name, value=value))

    async def delete_by_hand(self, name: str) -> int:
        answer = await self._kv.DeleteRange(rpc.DeleteRangeRequest(key=name.encode()), wait_for_ready=True)
        return int(answer.header.revision)

    async def revoke_by_hand(self, lease_id: int) -> None:
        await self._lease.LeaseRevoke(rpc.LeaseRevokeRequest(ID=lease_id), wait_for_ready=True)

    async def expire(self, lease_id: int) -> None:
        request = rpc.LeaseTimeToLiveRequest(ID=lease_id)
        async with asyncio.timeout(30):
            while (await self._lease.LeaseTimeToLive(request, wait_for_ready=True)).TTL >= 0:  # noqa: ASYNC110 (etcd has no event for it)
                await asyncio.sleep(0.05)

    async def key(self, name: str) -> LockKey | None:
        answer = await self._kv.Range(rpc.RangeRequest(key=name.encode()), wait_for_ready=True)
        return key_of(answer.kvs[0], name) if answer.kvs else None

    async def compact(self) -> int:
        header: Any = (await self._kv.Range(rpc.RangeRequest(key=b"x"), wait_for_ready=True)).header
        await self._kv.Compact(rpc.CompactionRequest(revision=header.revision, physical=True), wait_for_ready=True)
        return int(header.revision)

    async def drop_connections(self) -> None:
        self.cluster.only.restart()

    async def silence(self) -> None:
        self._silent = True
        self.cluster.only.freeze()

    async def resume(self) -> None:
        if self._silent:
            self._silent = False
            self.cluster.only.thaw()

    async def checkpoint(self) -> None:
        self.cluster.snapshot(self._snapshot_file)

    async def roll_back(self) -> None:
        self.cluster.restore(self._snapshot_file)

    async def replace(self) -> None:
        self.cluster.replace()

    @property
    def _snapshot_file(self) -> Path:
        return self.cluster.folder / "checkpoint.db"

    async def _put(self, request: Any) -> int:
        return int((await self._kv.Put(request, wait_for_ready=True)).header.revision)
