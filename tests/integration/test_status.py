"""``leader-sidecar status`` and the page of real sidecars, on a real etcd: what they show is what stands there."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.errors import ExitCode
from tests.integration.conftest import DISTRO, Clusters
from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import Group
from tests.support.kube import APIS, Api, api_named
from tests.support.labelled import KEY
from tests.support.sidecar import SidecarProcess

PAGE = {"Accept": "text/html"}
OWN = ("LEADER_SIDECAR_", "POD_", "KUBERNETES_")


def status(
    sidecar: SidecarProcess, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code and what was printed, of the program beside this sidecar."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    ran = subprocess.run(
        [sys.executable, "-m", "sidecar", "status", f"--listen=127.0.0.1:{sidecar.port}", *arguments],
        env=clean | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def told(sidecar: SidecarProcess, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    code, out, err = status(sidecar, "--output=json", *arguments, environment=environment)
    assert code == ExitCode.OK, err
    body: dict[str, Any] = json.loads(out)
    return body


def test_the_queue_and_the_page_show_what_stands_in_etcd(clusters: Clusters, tmp_path: Path) -> None:
    with Group(clusters.get(DISTRO), tmp_path, lock="/status") as group:
        leader = group.settle()
        names = group.names_in_queue()
        for sidecar in group.sidecars:
            shown = told(sidecar, "--all")
            assert [candidate["name"] for candidate in shown["candidates"]] == names
            assert [one["name"] for one in shown["candidates"] if one["leads"]] == [leader.identity]
            assert [one["name"] for one in shown["candidates"] if one["this_pod"]] == [sidecar.identity]
            assert (shown["unhealthy"], shown["unready"], shown["label_in_sync"]) == (None, None, None)
            page = httpx.get(f"{sidecar.url}/", headers=PAGE).text
            assert all(f"<bdi>{name}</bdi>" in page for name in names)
        assert 0 < told(leader)["validity_seconds"] <= group.ttl_seconds
        assert {told(other)["validity_seconds"] for other in group.others(leader)} == {None}


def test_a_browsers_form_hands_the_lead_over(clusters: Clusters, tmp_path: Path) -> None:
    with Group(clusters.get(DISTRO), tmp_path, lock="/status-resign") as group:
        leader = group.settle()
        group.witness.excuse_resign(group.token(leader))
        answer = httpx.post(f"{leader.url}/resign?drain", headers=PAGE, timeout=30, follow_redirects=True)
        assert (answer.status_code, "Resigned: " in answer.text) == (200, True)
        assert group.settle() is not leader


def test_without_etcd_this_pod_is_shown_and_the_queue_is_69(tmp_path: Path) -> None:
    with SidecarProcess("a", etcd_endpoints="http://127.0.0.1:1", lock_name="/x", folder=tmp_path) as sidecar:
        sidecar.wait_until_healthy()
        assert told(sidecar)["unready"] == "not initialised: no session with etcd yet"
        code, out, err = status(sidecar, "--all")
        assert (code, out) == (ExitCode.UNAVAILABLE, "")
        assert err.startswith("leader-sidecar: the queue is not known: ")
        page = httpx.get(f"{sidecar.url}/", headers=PAGE).text
        assert "Nobody is known to lead." in page
        sidecar.kill()
        assert status(sidecar)[0] == ExitCode.UNAVAILABLE


def wait_until_in_sync(sidecar: SidecarProcess) -> None:
    deadline = Deadline(60)
    while deadline.goes_on():
        if told(sidecar)["label_in_sync"]:
            return
    raise AssertionError(f"the label is not in sync\n{sidecar.output()}")


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        yield named


async def test_the_labels_of_all_are_read_from_the_api_with_the_sidecars_rights(api: Api, tmp_path: Path) -> None:
    uid = await api.create_pod("a", {}, {})
    await api.create_pod("b", {KEY: "follower"}, {})
    environment = {
        "POD_NAME": "a",
        "POD_UID": uid,
        "POD_NAMESPACE": api.namespace,
        "LEADER_SIDECAR_KUBECONFIG": str(api.kubeconfig(tmp_path, "a", uid)),
        "LEADER_SIDECAR_ELECTION": "e",
    }
    with running(Cluster(tmp_path / "etcd")) as etcd:
        environment["LEADER_SIDECAR_ETCD_ENDPOINTS"] = ",".join(etcd.endpoints)
        sidecars = [
            SidecarProcess(
                name,
                etcd_endpoints=",".join(etcd.endpoints),
                lock_name="/labels",
                folder=tmp_path,
                flags=["--labels"] if name == "a" else [],
                environment=environment if name == "a" else {},
            )
            for name in ("a", "b")
        ]
        try:
            for sidecar in sidecars:
                sidecar.start()
                await asyncio.to_thread(sidecar.wait_for, "in the queue", lambda body: body["position"] is not None)
            await asyncio.to_thread(wait_until_in_sync, sidecars[0])
            shown = await asyncio.to_thread(told, sidecars[0], "--all", environment=environment)
            labels = {candidate["name"]: candidate["label"] for candidate in shown["candidates"]}
            assert labels == {"a": "leader", "b": "follower"}
            await api.take_rights()
            code, out, err = await asyncio.to_thread(status, sidecars[0], "--all", environment=environment)
            assert (code, err.startswith("leader-sidecar: labels: ")) == (ExitCode.OK, True)
            assert out.startswith("POSITION")
        finally:
            for sidecar in sidecars:
                sidecar.kill()
