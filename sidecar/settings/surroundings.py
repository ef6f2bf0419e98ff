"""What a process finds where it was started: environment, host name, the pod's service account, its CPU quota."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``environ`` is the environment; ``service_account`` the directory that kubelet mounts into a pod."""

    environ: Mapping[str, str] = field(repr=False)  # may hold the password
    host_name: str
    service_account: Path
    on_terminal: bool

    @classmethod
    def here(cls) -> "Surroundings":
        return cls(os.environ, socket.gethostname(), _SERVICE_ACCOUNT, sys.stderr.isatty())

    @property
    def in_cluster(self) -> bool:
        """Whether this is a pod that may speak to its API server (rule: client-go's InClusterConfig)."""
        return bool(self.environ.get("KUBERNETES_SERVICE_HOST")) and (self.service_account / "token").is_file()

    @property
    def namespace(self) -> str:
        """``POD_NAMESPACE``, else the service account's, else ``default``."""
        named = self.environ.get("POD_NAMESPACE")
        if named:
            return named
        try:
            return (self.service_account / "namespace").read_text().strip() or "default"
        except OSError:
            return "default"


def cpu_quota_cores(root: Path = _CGROUP) -> float | None:
    """CPU quota of this container in cores, of cgroup v2 or v1. None: no quota, or no cgroup to be seen."""
    v2 = _words(root / "cpu.max")
    if len(v2) == 2:
        return _cores(*v2)
    for controller in ("cpu", "cpu,cpuacct"):
        quota = _words(root / controller / "cpu.cfs_quota_us")
        period = _words(root / controller / "cpu.cfs_period_us")
        if quota and period:
            return _cores(quota[0], period[0])
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _cores(quota: str, period: str) -> float | None:
    try:
        quota_us, period_us = int(quota), int(period)
    except ValueError:  # v2 writes "max" for none
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None
