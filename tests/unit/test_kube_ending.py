"""At SIGTERM a native sidecar asks: has the workload ended for good, or is this container restarted alone?"""

from typing import Any

import pytest

from sidecar.kube.ending import read_status, workload_has_ended


def pod(
    *states: dict[str, Any] | None,
    policy: str = "Always",
    phase: str = "Running",
    uid: str = "u",
    terminating: bool = False,
    own_policies: tuple[str, ...] = (),
) -> dict[str, Any]:
    containers: list[dict[str, Any]] = [{"name": f"c{number}"} for number in range(len(states))]
    for container, own in zip(containers, own_policies, strict=False):
        container["restartPolicy"] = own
    statuses = [{"name": f"c{number}", "state": state} for number, state in enumerate(states) if state is not None]
    metadata = {"uid": uid, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {})}
    return {
        "metadata": metadata,
        "spec": {
            "restartPolicy": policy,
            "containers": containers,
            "initContainers": [{"name": "leader-sidecar", "restartPolicy": "Always"}],
        },
        "status": {
            "phase": phase,
            "containerStatuses": statuses,
            "initContainerStatuses": [{"name": "leader-sidecar", "state": {"running": {}}}],
        },
    }


RUNS: dict[str, Any] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
DONE: dict[str, Any] = {"terminated": {"exitCode": 0}}
FAILED: dict[str, Any] = {"terminated": {"exitCode": 3}}
WAITS: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("seen", "ended"),
    [
        pytest.param(pod(RUNS), False, id="the workload runs"),
        pytest.param(pod(RUNS, terminating=True), True, id="the pod is terminating"),
        pytest.param(pod(RUNS, uid="other"), True, id="another pod has the name"),
        pytest.param(pod(RUNS, phase="Failed"), True, id="evicted"),
        pytest.param(pod(DONE, policy="Never"), True, id="a job's container has ended"),
        pytest.param(pod(DONE, DONE, policy="Never"), True, id="both have ended"),
        pytest.param(pod(DONE, RUNS, policy="Never"), False, id="one of two has ended"),
        pytest.param(pod(FAILED, policy="Never"), True, id="failed for good"),
        pytest.param(pod(DONE, policy="OnFailure"), True, id="succeeded for good"),
        pytest.param(pod(FAILED, policy="OnFailure"), False, id="failed, to be started again"),
        pytest.param(pod(FAILED, policy="Always"), False, id="crashed, to be started again"),
        pytest.param(pod(DONE, own_policies=("Never",)), True, id="the container's own policy rules"),
        pytest.param(pod(WAITS), False, id="between two starts"),
        pytest.param(pod(None, policy="Never"), False, id="kubelet has reported nothing yet"),
        pytest.param(pod(), False, id="no containers known"),
        pytest.param({"metadata": {"uid": "u"}}, False, id="metadata alone"),
    ],
)
def test_the_workload_has_ended(seen: dict[str, Any], *, ended: bool) -> None:
    assert workload_has_ended(read_status(seen), "u") is ended


def test_an_unknown_own_uid_does_not_make_every_pod_another() -> None:
    assert not workload_has_ended(read_status(pod(RUNS)), "")
