"""What the tests need that is written in Go: which module folder, which programs, and where they are once built.

A module folder beside this file holds ``go.mod``, ``go.sum`` and, where the program is ours, its sources. Nothing else
says what is built: versions are pinned there alone.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Module:
    """One Go module. ``programs`` maps a program's name to the name that ``go build`` gives it.

    ``package`` is what to build: ``tool`` for the module's tool lines, ``.`` for sources of our own. ``stamped`` names
    the required module whose version the program is to report, in Kubernetes' way; None where it knows by itself.
    ``tags`` are Go's build tags. ``asked_for`` modules are built only when named: a node takes ten minutes more, the
    older Helm two.
    """

    folder: str
    package: str
    programs: dict[str, str]
    stamped: str | None = None
    tags: str = ""
    asked_for: bool = False


_KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
_ETCD_PROGRAMS = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}

MODULES = {
    module.folder: module
    for module in (
        Module("interop", ".", {"interop": "interop"}),
        Module("etcd-3.6", "tool", _ETCD_PROGRAMS),
        Module("etcd-3.7", "tool", _ETCD_PROGRAMS),
        Module("helm", "tool", {"helm": "helm"}),
        Module("helm-3", "tool", {"helm": "helm"}, asked_for=True),
        Module("helm-unittest", "tool", {"helm-unittest": "helm-unittest"}),
        Module("kubernetes", "tool", {name: name for name in _KUBERNETES_PROGRAMS}, stamped="k8s.io/kubernetes"),
        Module("kwok", "tool", {"kwok": "kwok"}),
        Module(
            "node-kubelet",
            "tool",
            {name: name for name in ("kubelet", "kube-proxy")},
            stamped="k8s.io/kubernetes",
            asked_for=True,
        ),
        Module(
            "node-containerd",
            "tool",
            {name: name for name in _CONTAINERD_PROGRAMS},
            tags="no_btrfs",  # needs headers of the C library
            asked_for=True,
        ),
        Module("node-network", "tool", {name: name for name in ("bridge", "host-local")}, asked_for=True),
        Module("node-dns", "tool", {"coredns": "coredns"}, asked_for=True),
        Module("node-pause", ".", {"node-pause": "node-pause"}, asked_for=True),
    )
}


def source_folder(module: Module) -> Path:
    return HERE / module.folder


def cache_folder() -> Path:
    """``$LEADER_SIDECAR_TOOLS``, else ``leader-sidecar-tools`` in the user's cache."""
    chosen = os.environ.get("LEADER_SIDECAR_TOOLS")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "leader-sidecar-tools"


def digest(module: Module) -> str:
    """Names one build: changes with any pinned version and any line of our own sources."""
    state = hashlib.sha256()
    for path in sorted(source_folder(module).iterdir()):
        if path.suffix in {".mod", ".sum", ".go"}:
            state.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return state.hexdigest()[:16]


def built_folder(module: Module) -> Path:
    """Where a module's programs are; it exists only once all of them are built."""
    return cache_folder() / f"{module.folder}-{digest(module)}"
