"""Every command runs in the image, as its user: what was left out of it is missed by none."""

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.etcd import Cluster, running
from tests.tools.node.waiting import wait_until

IMAGE = os.environ.get("LEADER_SIDECAR_IMAGE", "")
PROGRAM = "/opt/leader-sidecar/bin/leader-sidecar"
MANIFEST = """\
# kept
apiVersion: v1
kind: Pod
metadata: {name: worker, labels: {leader-sidecar/inject: worker}}
spec:
  containers:
  - {name: worker, image: "worker:1"}
"""


@pytest.fixture
def container() -> Iterator[str]:
    made = subprocess.run(["buildah", "from", "--pull-never", IMAGE], capture_output=True, text=True, check=True)
    name = made.stdout.strip()
    yield name
    subprocess.run(["buildah", "rm", name], capture_output=True, check=True)


@pytest.fixture
def one_etcd(tmp_path: Path) -> Iterator[Cluster]:
    with running(Cluster(tmp_path / "etcd")) as cluster:
        yield cluster


def run(container: str, *command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    asked = ["buildah", "run", "--isolation", "chroot", container, "--", *command]
    return subprocess.run(asked, input=given, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", ["run", "check", "inject", "resign", "transfer", "status", "demo", "exec", "wait"])
def test_every_command_explains_itself(container: str, command: str) -> None:
    said = run(container, PROGRAM, command, "--help")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"Usage: leader-sidecar {command}")


def test_it_hands_out_the_one_file_of_exec_and_wait(container: str) -> None:
    packed = "/tmp/leader-sidecar.pyz"  # noqa: S108 - of the container
    made = run(container, "/opt/leader-sidecar/bin/python3", "-m", "sidecar.workload.exec.pack", packed)
    assert made.returncode == 0, made.stderr
    said = run(container, "python3", "-I", "-S", packed, "exec", "--help")
    assert said.stdout.startswith("usage: leader-sidecar exec"), said.stderr


def test_it_runs_as_nobody_and_starts_without_a_shell() -> None:
    asked = ["buildah", "inspect", "--type=image", IMAGE]
    inspected = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    config = inspected["OCIv1"]["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == [PROGRAM]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert not [name for name in config["Env"] if name.startswith("PIP_")]


def test_injecting_writes_a_manifest(container: str) -> None:
    said = run(container, PROGRAM, "inject", "-f", "-", "--etcd-endpoints=http://etcd:2379", given=MANIFEST)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("# kept\n")
    assert "- name: leader-sidecar\n" in said.stdout


def test_checking_looks_at_a_real_etcd(container: str, one_etcd: Cluster) -> None:
    said = run(container, PROGRAM, "check", "--election=e", f"--etcd-endpoints={one_etcd.only.url}", "--no-labels")
    assert "Traceback" not in said.stderr
    assert "etcd" in said.stdout


def test_a_sidecar_leads_answers_and_resigns(container: str, one_etcd: Cluster) -> None:
    command = [PROGRAM, "run", "--election=e", f"--etcd-endpoints={one_etcd.only.url}", "--no-labels"]
    command += ["--listen=127.0.0.1:24040", "--probe-listen=127.0.0.1:24041", "--identity=one"]
    asked = ["buildah", "run", "--isolation", "chroot", container, "--", *command]
    with subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _asked("/leader").get("is_leader"), 30, "a leader")
            for path in ("/metrics", "/candidates", "/history", "/healthz"):
                with urllib.request.urlopen(f"http://127.0.0.1:24040{path}", timeout=5) as answer:
                    assert answer.status == 200
            assert "</html>" in httpx.get("http://127.0.0.1:24040/", headers={"Accept": "text/html"}).text
            said = run(container, PROGRAM, "status", "--all", "--listen=127.0.0.1:24040")
            assert (said.returncode, "leader" in said.stdout) == (0, True), said.stderr
            said = run(container, PROGRAM, "resign", "--listen=127.0.0.1:24040")
            assert said.returncode == 0, said.stderr
        finally:
            process.terminate()
            process.wait(timeout=30)


def _asked(path: str) -> dict[str, object]:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:24040{path}", timeout=5) as answer:
        return dict(json.load(answer))
    return {}


def test_all_that_is_imported_has_its_byte_code(container: str) -> None:
    program = (
        "import sidecar.http.page.answers;"
        "import sidecar.etcd.protocol, sidecar.service, sidecar.check, sidecar.inject, sidecar.cli.main, sys, pathlib;"
        "from sidecar.bare import without_init; without_init('kubernetes');"
        "from kubernetes.client import api_client, rest; from kubernetes import config;"
        "print(*[n for n, m in list(sys.modules.items()) if getattr(m, '__cached__', None)"
        " and not pathlib.Path(m.__cached__).exists()])"
    )
    said = run(container, "/opt/leader-sidecar/bin/python3", "-c", program)
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == []


def test_what_the_sidecar_never_imports_is_left_out(container: str) -> None:
    mounted = subprocess.run(["buildah", "mount", container], capture_output=True, text=True, check=True).stdout.strip()
    packages = next(Path(mounted, "opt/leader-sidecar/lib").glob("python3.*")) / "site-packages"
    names = {path.name for path in packages.iterdir()}
    assert names.isdisjoint({"pip", "setuptools", "aiohttp", "pytest"})
    assert sorted(path.name for path in packages.glob("kubernetes/client/models/*")) == ["__init__.py"]
    subprocess.run(["buildah", "umount", container], capture_output=True, check=True)
