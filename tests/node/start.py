"""How long a sidecar's container takes from its process's start to ``/healthz``, under a limit of CPU."""

import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.node import group
from tests.tools.node.waiting import wait_until

_POLL_SECONDS = 0.01


def seconds_to_health(cpu: str) -> float:
    """``cpu`` is the container's limit, such as 100m."""
    name = f"start-{cpu}"
    group.kubectl("apply", "-f", "-", given=json.dumps(_pod(name, cpu)))
    try:
        wait_until(lambda: _address(name), 60, f"{name} running", 0.05)
        pid = group.pid_of(name, group.SIDECAR)
        wait_until(lambda: _healthy(_address(name)), 120, f"{name} healthy", _POLL_SECONDS)
        return time.clock_gettime(time.CLOCK_BOOTTIME) - _started(pid)
    finally:
        group.kubectl("delete", "pod", name, f"-n={group.NAMESPACE}", "--now")


def _address(name: str) -> str:
    return group.kubectl("get", "pod", name, f"-n={group.NAMESPACE}", "-o=jsonpath={.status.podIP}")


def _healthy(address: str) -> bool:
    connection = http.client.HTTPConnection(address, 4041, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _started(pid: int) -> float:
    """Seconds since boot, to within a tick."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def _pod(name: str, cpu: str) -> dict[str, Any]:
    container = {
        "name": group.SIDECAR,
        "image": group.IMAGE,
        "imagePullPolicy": "Never",
        "args": ["run", f"--election={name}", f"--etcd-endpoints={group.ETCD_URL}", "--no-labels"],
        "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": cpu}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": group.NAMESPACE},
        "spec": {"securityContext": security, "containers": [container]},
    }
