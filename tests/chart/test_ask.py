"""What `helm test` runs beside a sidecar, run here beside a real one."""

import subprocess
import sys
from pathlib import Path

from tests.support.children import free_ports
from tests.support.etcd import Cluster, running
from tests.support.helm import CHART
from tests.support.sidecar import SidecarProcess

ASK = CHART / "files" / "ask.py"


def ask(url: str, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ASK.read_text(), url, str(seconds)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def candidate(identity: str, etcd: Cluster, folder: Path) -> SidecarProcess:
    return SidecarProcess(identity, etcd_endpoints=",".join(etcd.endpoints), lock_name="/ask", folder=folder)


def test_it_ends_well_once_the_sidecar_leads(tmp_path: Path) -> None:
    with running(Cluster(tmp_path / "etcd")) as etcd, candidate("a", etcd, tmp_path) as sidecar:
        done = ask(sidecar.url, 60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it leads" in done.stdout


def test_it_says_what_it_was_answered_where_nobody_leads() -> None:
    [port] = free_ports(1)
    done = ask(f"http://127.0.0.1:{port}", 2)
    assert done.returncode == 1
    assert "GET /leader: no answer" in done.stdout


def test_it_does_not_take_a_follower_for_a_leader(tmp_path: Path) -> None:
    with running(Cluster(tmp_path / "etcd")) as etcd, candidate("a", etcd, tmp_path) as leader:
        leader.wait_until_leading()
        with candidate("b", etcd, tmp_path) as follower:
            follower.wait_until_waiting()
            done = ask(follower.url, 2)
    assert done.returncode == 1
    assert "GET /leader: 503" in done.stdout
