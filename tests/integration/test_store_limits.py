"""etcd at its limits: no space left."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import NoSpace
from sidecar.etcd.port import Value
from sidecar.etcd.settings import EtcdSettings
from tests.integration.conftest import Opener
from tests.support.etcd import Cluster, Programs, running
from tests.support.stores import joined

ATTEMPT_SECONDS = 5.0


QUOTA_BYTES = 2_000_000
"""1,152 bytes into a page of etcd's file: what asks for less is only refused once the file has outgrown the quota."""


def fill(etcd: Cluster) -> None:
    """Up to the brim: before 3.5.7 a request that asks for nothing is refused from there on, and not before."""
    for ballast_bytes in (100_000, 10_000, 800):
        for number in range(10_000):
            try:
                etcd.ctl("put", f"/ballast/{ballast_bytes}/{number}", "x" * ballast_bytes)
            except AssertionError as refused:
                assert "database space exceeded" in str(refused)  # noqa: PT017 (how etcdctl says that it is full)
                break
        if int(etcd.status(etcd.only)["dbSize"]) >= QUOTA_BYTES:
            return
        etcd.ctl("alarm", "disarm")
    raise AssertionError("etcd took everything")


async def test_a_full_etcd_refuses_claims_and_grants_but_renews_reads_and_releases(
    tmp_path: Path, etcd_programs: Programs, open_store: Opener
) -> None:
    """Before 3.5.7 it refuses every transaction, guarded deletes too; giving the lease back works always."""
    full = Cluster(tmp_path / "full", programs=etcd_programs, flags=("--quota-backend-bytes", str(QUOTA_BYTES)))
    with running(full):
        store = open_store(EtcdSettings(full.endpoints, ATTEMPT_SECONDS))
        mine, spare = await joined(store, "/lock"), await store.grant(30)
        guard: Any = {"leader": mine.name, "token": mine.create_revision}
        kept = (await store.write_value("/value", b"v", revision=0, **guard)).revision
        assert kept is not None
        refuses_all = str(full.status(full.only)["version"]) == "3.5.1"
        fill(full)
        with pytest.raises(NoSpace):
            await store.grant(30)
        with pytest.raises(NoSpace):
            await store.claim("/lock", spare.lease_id, "b", with_queue=True)
        with pytest.raises(NoSpace):
            await store.write_value("/value", b"w", revision=kept, **guard)
        assert open_store.metric("failures_total", kind="no_space") == 3.0
        assert await store.read_value("/value") == Value(b"v", kept)
        assert (await store.renew(mine.lease_id, ATTEMPT_SECONDS)).ttl_seconds > 0
        assert (await store.confirm(mine.name))[1] == mine
        assert (await store.look("/lock", mine.name, mine.create_revision)).first == mine
        if refuses_all:
            with pytest.raises(NoSpace):
                await store.release(mine.name, mine.create_revision)
        else:
            assert (await store.write_value("/value", None, revision=kept, **guard)).revision is not None
            assert await store.release(mine.name, mine.create_revision) is True
        await store.revoke(mine.lease_id)
        assert (await store.confirm(mine.name))[1] is None
