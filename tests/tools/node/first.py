"""The first process of the node's namespaces: makes its network and files, starts its programs, reaps their orphans."""

import json
import os
import secrets
import subprocess
from pathlib import Path

from tests.tools.node.files import ADMIN, configuration
from tests.tools.node.place import NODE_ADDRESS, Place, search_path
from tests.tools.node.programs import commands
from tests.tools.node.waiting import wait_until

_KERNEL_SETTINGS = {"vm/overcommit_memory": 1, "kernel/panic": 10, "kernel/panic_on_oops": 1}
"""What kubelet insists on. The machine's stay as they are: kubelet gets files in their place."""


def run(place: Place) -> None:
    """Never returns; ends with its last breath all that it started."""
    os.environ["PATH"] = search_path()
    _private_files(place)
    _network()
    for group in place.cgroups:
        group.mkdir(exist_ok=True)
    _write(place)
    names = _start(place)
    while True:
        pid, status = os.wait()
        if pid in names:
            print(names[pid], "ended with status", status, flush=True)


def _private_files(place: Place) -> None:
    upper, work, settings = (place.folder / name for name in ("var", "var-work", "settings"))
    for folder in (upper, work, settings):
        folder.mkdir()
    _do("mount", "-t", "tmpfs", "tmpfs", "/run")
    _do("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/var,upperdir={upper},workdir={work}", "/var")
    for setting, value in _KERNEL_SETTINGS.items():
        file = settings / setting.replace("/", ".")
        file.write_text(f"{value}\n")
        _do("mount", "--bind", str(file), f"/proc/sys/{setting}")


def _network() -> None:
    # a Service's address needs a route, though one to nowhere, before it is rewritten
    steps = [
        "link set lo up",
        "link add node0 type bridge",
        "link set node0 up",
        f"addr add {NODE_ADDRESS}/32 dev node0",
        "route add default dev node0",
    ]
    for step in steps:
        _do("ip", *step.split())
    _do("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")


def _write(place: Place) -> None:
    _do("openssl", "genrsa", "-out", str(place.folder / "accounts.key"), "2048")
    tokens = {user: secrets.token_hex(16) for user in (ADMIN, "kubelet")}
    proxy = json.loads(os.environ.get("LEADER_SIDECAR_NODE_PROXY") or "{}")
    for name, text in configuration(place, tokens, proxy).items():
        file = place.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def _start(place: Place) -> dict[int, str]:
    names = {}
    for command in commands(place):
        with Path(place.log, command[0]).open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        names[process.pid] = command[0]
        if command[0] == "kube-apiserver":  # it makes the certificate that the others trust
            wait_until(place.authority.exists, 60, "the API server's certificate")
    return names


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
