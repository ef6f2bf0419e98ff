"""The chart, installed into a control plane of the tests' and waited for until its policies are in force."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.children import Deadline
from tests.support.controlplane import NODE, Answer, ControlPlane
from tests.support.helm import CHART, NAMESPACE, RELEASE, helm, scenario

CANDIDATE = "leader-sidecar:candidate"
ROUTE = "leader-sidecar:route"
INJECT = "leader-sidecar/inject"

_PATIENCE_SECONDS = 60
_NUMBERS = itertools.count()


class Installed:
    """An installation, and verbs that tests of it need."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def namespace(self, *, standard: str | None = None) -> str:
        """A new namespace whose ``default`` service account is a candidate. ``standard`` as in Pod Security."""
        name = self.plane.create_namespace(f"chart-{next(_NUMBERS)}")
        if standard:
            labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": standard}}}
            path = f"/api/v1/namespaces/{name}"
            self.plane.must("PATCH", path, labels, content_type="application/merge-patch+json")
        bind(self.plane, name)
        return name

    def dry_run(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        """What becomes of a pod, without making it."""
        return self.plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """To these values alone. API servers take policies up some time later: wait for what the new ones do."""
        helm(*_command("upgrade", ()), values=values, plane=self.plane)


def bind(plane: ControlPlane, namespace: str, service_account: str = "default", *, to: str = CANDIDATE) -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": to}
    subject = {"kind": "ServiceAccount", "name": service_account, "namespace": namespace}
    body = {"metadata": {"generateName": "candidate-"}, "roleRef": role, "subjects": [subject]}
    plane.must("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", body)


def pod(
    name: str = "p",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod that namespaces with the restricted standard accept, on the node ``manual``; ``spec`` goes on top."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    minimal = {
        "nodeName": NODE,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "web", "image": "workload.invalid/web:1", "securityContext": secure}],
    }
    metadata = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**minimal, **spec}}


@contextlib.contextmanager
def install(plane: ControlPlane, *, values: Path | None = None) -> Iterator[Installed]:
    """The scenario ``injection`` unless told otherwise; uninstalled at the end."""
    helm(*_command("install", (values or scenario("injection"),), "--create-namespace"), plane=plane)
    try:
        installed = Installed(plane)
        _wait_until_in_force(installed)
        yield installed
    finally:
        helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait", plane=plane)


def _command(verb: str, values: tuple[Path, ...], *more: str) -> list[str]:
    files = [f"--values={each}" for each in values]
    # the scenario's namespaces exist in no test; each test binds its own
    return [verb, RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--set=namespaces=null", *files, *more]


def _wait_until_in_force(installed: Installed) -> None:
    """Until the API server does what only the policies make it do: it takes them up some time after they are made."""
    namespace = installed.namespace()
    plane = installed.plane
    plane.create_pod(namespace, "p")
    unbound = plane.unbound_token(namespace, "default")
    refused = pod("refused", labels={INJECT: "Not-A-Name"})
    wanted = pod("wanted", labels={INJECT: "e"})
    patch = {"metadata": {"labels": {"leader-sidecar/e": "follower"}}}
    deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.05)
    while deadline.goes_on():
        answers = [
            "bound to its pod" in message(_patch(plane, namespace, "p", patch, unbound)),
            "label leader-sidecar/inject" in message(installed.dry_run(namespace, refused)),
            "initContainers" in installed.dry_run(namespace, wanted).body.get("spec", {}),
        ]
        if all(answers):
            return
    last = installed.dry_run(namespace, wanted)
    raise AssertionError(f"the policies are not in force after {_PATIENCE_SECONDS} s: {answers} {last}")


def message(answer: Answer) -> str:
    """Of a refusal; empty for a 2xx."""
    return str(answer.body.get("message", "")) if answer.status >= 400 else ""


def _patch(plane: ControlPlane, namespace: str, name: str, body: Mapping[str, Any], token: str) -> Answer:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}?dryRun=All"
    return plane.request("PATCH", path, body, content_type="application/merge-patch+json", token=token)
