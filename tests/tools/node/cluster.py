"""Starts, enters and ends the node, from outside of its namespaces."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tools.catalogue import MODULES, built_folder
from tests.tools.node.images import pack
from tests.tools.node.place import NODE_ADDRESS, PAUSE_IMAGE, Place, search_path
from tests.tools.node.waiting import wait_until

ROOT = Path(__file__).parents[3]


class NotUp(Exception):
    """There is no such node."""


def first_process(place: Place) -> int | None:
    """The first process's pid as the machine sees it; None when the node is not up."""
    try:
        pid = int(place.pid_file.read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if arguments[-3:-1] == [b"first", os.fsencode(place.folder)] else None


def up(place: Place) -> None:
    """An empty cluster, ready for pods; one that is up stays. Raises ``NotInTime`` and ``CalledProcessError``."""
    if first_process(place) is None:
        down(place)
        place.log.mkdir(parents=True)
        _start(place)
    wait_until(lambda: _works(place, "ctr", "version"), 60, "containerd")
    pause = place.folder / "pause.tar"
    pack(PAUSE_IMAGE, built_folder(MODULES["node-pause"]) / "node-pause", pause, ["/pause"])
    load(place, pause)
    ready = ("kubectl", "wait", "--for=condition=Ready", f"node/{place.name}", "--timeout=2s")
    wait_until(lambda: _works(place, *ready), 120, "the node")
    account = ("kubectl", "get", "serviceaccount", "default")
    wait_until(lambda: _works(place, *account), 60, "the default service account")


def _start(place: Place) -> None:
    namespaces = ["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
    first = [sys.executable, "-m", "tests.tools.node", "first", str(place.folder)]
    with Path(place.log, "first").open("wb") as log:
        outer = subprocess.Popen(
            ["unshare", *namespaces, *first],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    wait_until(lambda: children.read_text().split(), 10, "the first process")
    place.pid_file.write_text(children.read_text().split()[0])


def run(place: Place, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Within the node's namespaces, with KUBECONFIG set. Raises ``NotUp``, and what ``subprocess.run`` does."""
    pid = first_process(place)
    if pid is None:
        raise NotUp(f"no node in {place.folder}: python -m tests.tools.node up")
    environment = os.environ | {
        "PATH": search_path(),
        "KUBECONFIG": str(place.admin_kubeconfig),
        "NODE_ADDRESS": NODE_ADDRESS,
    }
    enter = ["nsenter", "-t", str(pid), "-m", "-n", "-p", "-i", f"--wdns={Path.cwd()}", "--"]
    return subprocess.run([*enter, *command], env=environment, **options)


def _works(place: Place, *command: str) -> bool:
    return run(place, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def load(place: Place, archive: Path) -> None:
    """Give the node the images in a docker or OCI archive."""
    run(place, ["ctr", "-n", "k8s.io", "images", "import", "--local", str(archive.resolve())], check=True)


def down(place: Place) -> None:
    """End the node and remove its state. Raises ``NotInTime``."""
    pid = first_process(place)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)  # the kernel ends all in its PID namespace
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 30, "the end of the node")
    for cgroup in place.cgroups:
        for group in sorted([cgroup, *cgroup.glob("**/")], reverse=True):
            wait_until(lambda group=group: _removed(group), 20, f"the end of {group}")  # type: ignore[misc]
    shutil.rmtree(place.folder, ignore_errors=True)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # busy until its last process is gone
        return False
    return True
