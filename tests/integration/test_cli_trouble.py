"""Bad input that only a start can find: one line that names setting and mend, and a sysexits code."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ExitCode
from tests.support.etcd import Account, Cluster, running
from tests.support.sidecar import SidecarProcess

FOREIGN = ("LEADER_SIDECAR_", "POD_", "KUBERNETES_")


def run(*flags: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code of a sidecar that ends by itself, and the lines on standard error that are no log entries."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    command = [sys.executable, "-m", "sidecar", "run", "--election=e", "--no-labels", "--log-format=json"]
    ran = subprocess.run(
        [*command, "--listen=127.0.0.1:0", "--probe-listen=127.0.0.1:0", *flags],
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == ""
    return ran.returncode, [line for line in ran.stderr.splitlines() if not line.startswith("{")]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("flag", ["--listen", "--probe-listen"])
def test_a_port_in_use_is_named_with_its_flag(taken_port: int, flag: str) -> None:
    code, (line,) = run("--etcd-endpoints=http://127.0.0.1:1", f"{flag}=127.0.0.1:{taken_port}")
    assert code == ExitCode.OS_ERROR
    assert line.startswith(f"leader-sidecar: {flag}: '127.0.0.1:{taken_port}': ")


@pytest.mark.parametrize("flag", ["--etcd-cacert", "--etcd-cert", "--etcd-key"])
def test_a_file_that_is_no_certificate_or_key_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    file = tmp_path / "file.pem"
    file.write_text("garbage")
    pair = {"--etcd-cert", "--etcd-key"}
    flags = pair if flag in pair else {flag}
    code, lines = run("--etcd-endpoints=https://127.0.0.1:1", *(f"{each}={file}" for each in sorted(flags)))
    assert code == ExitCode.NO_INPUT
    assert len(lines) == 1
    assert str(file) in lines[0]


def test_a_wrong_password_is_told_without_repeating_it(tmp_path: Path) -> None:
    with running(Cluster(tmp_path)) as etcd:
        etcd.enable_auth(Account("bob", "right"))
        code, (line,) = run(
            f"--etcd-endpoints={','.join(etcd.endpoints)}",
            "--etcd-user=bob",
            LEADER_SIDECAR_ETCD_PASSWORD="wr0ng",  # noqa: S106
        )
    assert code == ExitCode.NO_PERMISSION
    assert line.startswith("leader-sidecar: --etcd-user: 'bob': ")
    assert "wr0ng" not in line


def test_an_etcd_that_wants_a_user_is_told_when_none_is_given(tmp_path: Path) -> None:
    with running(Cluster(tmp_path)) as etcd:
        etcd.enable_auth()
        code, (line,) = run(f"--etcd-endpoints={','.join(etcd.endpoints)}")
    assert code == ExitCode.NO_PERMISSION
    assert line.startswith("leader-sidecar: --etcd-user: not set: ")


def test_a_user_without_rights_on_the_lock_is_told_which_keys_it_needs(tmp_path: Path) -> None:
    with running(Cluster(tmp_path)) as etcd:
        etcd.enable_auth(Account("bob", "right"), prefix="/elsewhere/")
        code, (line,) = run(
            f"--etcd-endpoints={','.join(etcd.endpoints)}",
            "--etcd-user=bob",
            "--lock-name=/mine",
            LEADER_SIDECAR_ETCD_PASSWORD="right",  # noqa: S106
        )
    assert code == ExitCode.NO_PERMISSION
    assert line.startswith("leader-sidecar: --lock-name: '/mine': ")
    assert "bob" in line


def test_without_etcd_it_keeps_trying_healthy_but_not_ready_and_stops_when_told(tmp_path: Path) -> None:
    with SidecarProcess("a", etcd_endpoints="http://127.0.0.1:1", lock_name="/x", folder=tmp_path) as sidecar:
        sidecar.wait_until_healthy()
        assert sidecar.ask("/readyz")[0] == 503
        status, body = sidecar.leader()
        assert (status, body["state"], body["leader"]) == (503, "connecting", None)
        assert sidecar.terminate() == ExitCode.OK
