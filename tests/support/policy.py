"""The chart's own rights and policy, put into a control plane of the tests' and waited for until they are in force."""

from collections.abc import Mapping
from typing import Any

from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane
from tests.support.helm import template
from tests.support.installed import bind, message

_PATIENCE_SECONDS = 60.0
_KINDS = {
    "ClusterRole": "rbac.authorization.k8s.io/v1/clusterroles",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}
_PROBE = "policy-probe"


def apply_policy(plane: ControlPlane, *, labels: list[str]) -> None:
    """Once for a control plane, whoever asks for it. ``labels``: the user's own that candidates may write, as in
    ``--label``; the first who asks decides.
    """
    if plane.request("GET", f"/api/v1/namespaces/{_PROBE}").status == 200:
        return
    values = {"policy": {"labels": labels}, "injection": {"enabled": False}}
    for manifest in template(values):
        if manifest["kind"] in _KINDS:
            plane.must("POST", f"/apis/{_KINDS[manifest['kind']]}", manifest)
    plane.create_namespace(_PROBE)
    bind(plane, _PROBE)
    plane.create_pod(_PROBE, "p")
    _wait_until_in_force(plane)


def _wait_until_in_force(plane: ControlPlane) -> None:
    """Until what only the policy refuses is refused: a label by a token that is bound to no pod."""
    token = plane.unbound_token(_PROBE, "default")
    label: Mapping[str, Any] = {"metadata": {"labels": {"leader-sidecar/e": "follower"}}}
    deadline, last = Deadline(_PATIENCE_SECONDS, poll_seconds=0.05), ""
    while deadline.goes_on():
        path = f"/api/v1/namespaces/{_PROBE}/pods/p?dryRun=All"
        answer = plane.request("PATCH", path, label, content_type="application/merge-patch+json", token=token)
        if "bound to its pod" in message(answer):
            return
        last = f"{answer.status} {message(answer)}"
    raise AssertionError(f"the policy is not in force after {_PATIENCE_SECONDS} s: {last}")
