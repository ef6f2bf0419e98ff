"""The SIGTERM rule of native sidecars: is the pod ending, or does kubelet restart this container alone?"""

from collections.abc import Mapping
from typing import Any

from sidecar.kube.port import Container, PodStatus

_FINAL_PHASES = frozenset({"Succeeded", "Failed"})


def workload_has_ended(status: PodStatus, uid: str) -> bool:
    """Whether the lock may go at once: the pod is terminating, another, or all its workload containers have ended.

    Kubelet sends a native sidecar its SIGTERM after the workload's end when the pod ends, but also when it restarts
    the sidecar alone. A container that kubelet will start again has not ended for good: its pod is not ending.
    """
    if status.terminating or (uid and status.uid != uid) or status.phase in _FINAL_PHASES:
        return True
    return bool(status.workload) and all(container.ended and not container.restarts for container in status.workload)


def read_status(pod: Mapping[str, Any]) -> PodStatus:
    """A whole pod, as the API server gives it. The workload is ``spec.containers``: sidecars are init containers."""
    metadata, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    states = {entry["name"]: entry for entry in status.get("containerStatuses") or ()}
    policy = spec.get("restartPolicy", "Always")
    return PodStatus(
        uid=metadata["uid"],
        phase=status.get("phase", ""),
        terminating="deletionTimestamp" in metadata,
        workload=tuple(
            _container(container["name"], states.get(container["name"], {}), container.get("restartPolicy", policy))
            for container in spec.get("containers") or ()
        ),
    )


def _container(name: str, state: Mapping[str, Any], policy: str) -> Container:
    terminated: Mapping[str, Any] = (state.get("state") or {}).get("terminated") or {}
    restarts = policy == "Always" or (policy == "OnFailure" and terminated.get("exitCode") != 0)
    return Container(name, ended=bool(terminated), restarts=restarts)
