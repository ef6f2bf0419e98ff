"""Where the node's files are, what it is called, and which addresses it has within its own network."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.tools.catalogue import MODULES, built_folder, cache_folder

NODE_ADDRESS = "172.31.255.1"
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVER = f"https://{NODE_ADDRESS}:6443"
PAUSE_IMAGE = "localhost/pause:1"
CGROUPS = Path("/sys/fs/cgroup")

_MODULES = ("etcd-3.6", "kubernetes", "node-kubelet", "node-containerd", "node-network", "node-dns")


@dataclass(frozen=True, slots=True)
class Place:
    """``folder`` holds the state and must be on a file system that overlayfs can write to."""

    folder: Path
    name: str = "node0"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    @property
    def kubelet_kubeconfig(self) -> Path:
        return self.folder / "kubelet.kubeconfig"

    @property
    def authority(self) -> Path:
        return self.folder / "pki" / "apiserver.crt"

    @property
    def audit_log(self) -> Path:
        """What service accounts of pods have asked of the API server: a line of JSON each."""
        return self.log / "audit"

    @property
    def cgroups(self) -> list[Path]:
        """One per hierarchy of cgroup v1."""
        return [hierarchy / self.name for hierarchy in sorted(CGROUPS.iterdir())]


def usual_place() -> Place:
    """``$LEADER_SIDECAR_NODE_FOLDER``, else a folder beside the tools."""
    return Place(Path(os.environ.get("LEADER_SIDECAR_NODE_FOLDER") or cache_folder() / "node").resolve())


def program_folders() -> list[Path]:
    return [built_folder(MODULES[name]) for name in _MODULES]


def search_path() -> str:
    """A PATH on which the node's own programs come before what the machine happens to have."""
    return os.pathsep.join([*map(str, program_folders()), os.environ["PATH"]])
