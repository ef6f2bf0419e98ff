"""Where the programs are that ``make tools`` builds; raises ``ToolMissing`` where they are not."""

import os
from pathlib import Path

from tests.support.etcd import Programs, distro_programs
from tests.tools.catalogue import MODULES, built_folder


class ToolMissing(Exception):
    """A program that a test needs has not been built."""


def tool(folder: str, program: str) -> Path:
    """A program of one of the modules under ``tests/tools/``. Raises ``ToolMissing``."""
    path = built_folder(MODULES[folder]) / program
    if not path.exists():
        raise ToolMissing(f"{program} of tests/tools/{folder} is not built: run `make tools` (looked for {path})")
    return path


def etcd_binary(version: str) -> Path:
    """etcd's server, ``version`` being "3.6" or "3.7"."""
    return tool(f"etcd-{version}", "etcd")


def etcdctl_binary(version: str) -> Path:
    return tool(f"etcd-{version}", "etcdctl")


def etcdutl_binary(version: str) -> Path:
    return tool(f"etcd-{version}", "etcdutl")


def etcd_programs(version: str) -> Programs:
    """All programs of one version: "3.5" is the packaged 3.5.1, "3.6" and "3.7" are built."""
    if version == "3.5":
        return distro_programs()
    return Programs(etcd_binary(version), etcdctl_binary(version), etcdutl_binary(version))


def kube_apiserver_binary() -> Path:
    return tool("kubernetes", "kube-apiserver")


def kube_controller_manager_binary() -> Path:
    return tool("kubernetes", "kube-controller-manager")


def kube_scheduler_binary() -> Path:
    return tool("kubernetes", "kube-scheduler")


def kubectl_binary() -> Path:
    return tool("kubernetes", "kubectl")


def kwok_binary() -> Path:
    """Plays kubelets."""
    return tool("kwok", "kwok")


def helm_binary() -> Path:
    """Helm 4; the oldest Helm 3 that the chart is for where ``LEADER_SIDECAR_TEST_HELM`` is 3."""
    return tool("helm-3" if os.environ.get("LEADER_SIDECAR_TEST_HELM") == "3" else "helm", "helm")


def helm_unittest_binary() -> Path:
    """Reads ``helm/*/tests``; it has a Helm of its own within, the one before ``helm_binary``'s."""
    return tool("helm-unittest", "helm-unittest")


def interop_binary() -> Path:
    """Our Go program on etcd's own ``concurrency`` package: see tests/tools/interop/main.go."""
    return tool("interop", "interop")
