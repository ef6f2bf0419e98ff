"""Plays the kubelets of a rollout: a sidecar process for each pod that runs, SIGTERM when its pod is deleted.

kwok marks pods Running. The pods' readiness gate ``GATE`` is True once the sidecar stands in the queue, as a startup
probe would have it, and ``leader-sidecar/e`` while it leads. A finalizer keeps a deleted pod until its sidecar ended.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane
from tests.support.sidecar import SidecarProcess, Unreachable

ELECTION = "e"
GATE = "test/started"
LEADER_GATE = f"leader-sidecar/{ELECTION}"
FINALIZER = "test/stays-until-ended"
PATIENCE_SECONDS = 180.0
_ENDS_SECONDS = 30.0
_MERGE = "application/merge-patch+json"


class Kubelet:
    """Call ``sync`` often; ``wait_for`` does. ``leads`` are the pods that led, in order, one entry for each token.

    ``sidecars`` and ``states``, what they said last, are by pod uid; ``revisions`` by pod name. ``ended`` are the pods
    whose sidecars were told to end, in order.
    """

    def __init__(
        self, plane: ControlPlane, namespace: str, etcd_endpoints: str, folder: Path, flags: Sequence[str]
    ) -> None:
        self.plane, self.namespace, self.folder = plane, namespace, folder
        self._etcd_endpoints, self._flags = etcd_endpoints, list(flags)
        self.sidecars: dict[str, SidecarProcess] = {}
        self.states: dict[str, str] = {}
        self.leads: list[tuple[str, int]] = []
        self.revisions: dict[str, str] = {}
        self.ended: list[str] = []
        self._ending: set[str] = set()

    def sync(self) -> list[dict[str, Any]]:
        """One round; the pods as they were."""
        pods: list[dict[str, Any]] = self.plane.must("GET", self._path())["items"]
        for pod in pods:
            metadata = pod["metadata"]
            uid, name = metadata["uid"], metadata["name"]
            labels = metadata["labels"]
            revision = labels.get("pod-template-hash") or labels.get("controller-revision-hash")
            self.revisions[name] = revision
            if "deletionTimestamp" in metadata:
                self._end(name, uid)
            elif uid not in self.sidecars and pod.get("status", {}).get("phase") == "Running":
                self.sidecars[uid] = self._start(name, uid)
            elif uid in self.sidecars:
                self._report(pod, self.sidecars[uid])
        return pods

    def wait_for(self, what: str, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Until ``holds(pods)``."""
        deadline, pods = Deadline(PATIENCE_SECONDS, poll_seconds=0.05), list[dict[str, Any]]()
        while deadline.goes_on():
            pods = self.sync()
            if holds(pods):
                return
        shown = [(pod["metadata"]["name"], pod["metadata"]["labels"], pod["status"].get("conditions")) for pod in pods]
        logs = "\n".join(f"--- {each.identity}\n{each.output()[-3000:]}" for each in self.sidecars.values())
        raise AssertionError(f"never {what}: {self.leads}\n{shown}\n{logs}")

    def kill(self) -> None:
        for sidecar in self.sidecars.values():
            sidecar.kill()

    def _start(self, name: str, uid: str) -> SidecarProcess:
        token = self.plane.pod_token(self.namespace, "default", name, uid)
        kubeconfig = self.plane.write_kubeconfig(self.folder / f"{uid}.kubeconfig", token)
        sidecar = SidecarProcess(
            name,
            etcd_endpoints=self._etcd_endpoints,
            lock_name=f"/{self.namespace}",
            folder=self._own_folder(uid),
            election=ELECTION,
            ttl_seconds=5,
            flags=["--labels", f"--kubeconfig={kubeconfig}", "--follow-rollout", "--max-promise=0.3", *self._flags],
            environment={"POD_NAME": name, "POD_NAMESPACE": self.namespace, "POD_UID": uid},
        )
        sidecar.start()
        return sidecar

    def _own_folder(self, uid: str) -> Path:
        folder = self.folder / uid
        folder.mkdir()
        return folder

    def _end(self, name: str, uid: str) -> None:
        if uid in self.sidecars and uid not in self._ending:
            self.ended.append(name)
            self.sidecars[uid].terminate(_ENDS_SECONDS)
        self._ending.add(uid)
        patch = {"metadata": {"uid": uid, "finalizers": None}}
        self.plane.request("PATCH", f"{self._path()}/{name}", patch, content_type=_MERGE)

    def _report(self, pod: dict[str, Any], sidecar: SidecarProcess) -> None:
        try:
            body = sidecar.leader()[1]
        except Unreachable:
            return
        self.states[pod["metadata"]["uid"]] = body["state"]
        if body["is_leader"] and (not self.leads or self.leads[-1][1] != body["token"]):
            self.leads.append((sidecar.identity, body["token"]))
        conditions = pod["status"].get("conditions", [])
        for gate in pod["spec"].get("readinessGates") or ():
            kind = gate["conditionType"]
            met = body["is_leader"] if kind == LEADER_GATE else body["state"] in ("waiting", "leading", "draining")
            status = "True" if met else "False"
            if status not in [each["status"] for each in conditions if each["type"] == kind]:
                wanted = [*(each for each in conditions if each["type"] != kind), {"type": kind, "status": status}]
                body_ = {"status": {"conditions": wanted}}
                self.plane.request(
                    "PATCH", f"{self._path()}/{pod['metadata']['name']}/status", body_, content_type=_MERGE
                )

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"


def template(image: str, gate: str) -> dict[str, Any]:
    """A pod template of a Deployment or StatefulSet; another ``image`` is another revision."""
    return {
        "metadata": {"labels": {"app": "web"}, "finalizers": [FINALIZER]},
        "spec": {
            "containers": [{"name": "web", "image": f"workload.invalid/web:{image}"}],
            "readinessGates": [{"conditionType": gate}],
            "terminationGracePeriodSeconds": 30,
        },
    }


def pods_of(pods: list[dict[str, Any]], image: str) -> list[dict[str, Any]]:
    return [pod for pod in pods if pod["spec"]["containers"][0]["image"].endswith(f":{image}")]
