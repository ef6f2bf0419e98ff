"""Three injected pods on the node, their etcd, and what is done to them. Commands run within the node's namespaces."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.tools import helm_binary
from tests.tools.node.waiting import wait_until

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "helm" / "leader-sidecar"
RELEASE = "leader-sidecar"
NAMESPACE, ELECTION = "shop", "worker"
TTL_SECONDS = 8
SIDECAR, WORKLOAD = "leader-sidecar", "worker"
LEADER_SERVICE = "worker-leader"
KEY = f"leader-sidecar/{ELECTION}"
LOCK = f"/leader-sidecar/{NAMESPACE}/{ELECTION}"
ETCD_URL = "http://etcd.storage.svc.cluster.local:2379"
ETCD_IMAGE = "localhost/etcd:1"
IMAGE = os.environ.get("NODE_IMAGE", "localhost/leader-sidecar:0.1.0")


def kubectl(*arguments: str, given: str | None = None) -> str:
    return _output(["kubectl", *arguments], given)


def helm(*arguments: str, given: str | None = None) -> str:
    """In the release's namespace."""
    return _output([str(helm_binary()), *arguments, f"--namespace={RELEASE}"], given)


def _output(command: list[str], given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr}")
    return done.stdout


def install() -> None:
    """etcd, the chart with injection, and a Deployment of three with its leader's Service; ready when a leader is."""
    kubectl("apply", "-f", "-", given=_list(_etcd()))
    name, _, tag = IMAGE.rpartition(":")
    values = {
        "image": {"repository": name, "tag": tag, "pullPolicy": "Never"},
        "sidecar": {"ttlSeconds": TTL_SECONDS, "etcd": {"endpoints": [ETCD_URL]}},
        "namespaces": [{"name": NAMESPACE, "serviceAccounts": [WORKLOAD]}],
    }
    kubectl("apply", "-f", "-", given=_list([_object("v1", "Namespace", NAMESPACE, labels=_RESTRICTED)]))
    helm("upgrade", "--install", RELEASE, str(CHART), "--create-namespace", "--values=-", given=json.dumps(values))
    kubectl("rollout", "status", "deployment/etcd", "--namespace=storage", "--timeout=60s")
    _wait_for_injection()
    kubectl("apply", "-f", "-", given=_list(_workload()))
    kubectl("rollout", "status", f"deployment/{WORKLOAD}", f"--namespace={NAMESPACE}", "--timeout=120s")


_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def _wait_for_injection() -> None:
    probe = _list([_pod_alone()])
    command = ["create", "--dry-run=server", "-o", "jsonpath={.spec.initContainers[*].name}", "-f", "-"]

    def injected() -> bool:
        try:
            return SIDECAR in kubectl(*command, given=probe)
        except RuntimeError:  # the namespace's service account is still being made, or the policy's ConfigMap read
            return False

    wait_until(injected, 30, "injection in force", 0.3)


def pods() -> list[dict[str, Any]]:
    return list(json.loads(kubectl("get", "pods", f"-n={NAMESPACE}", f"-l=app={WORKLOAD}", "-o=json"))["items"])


def labelled() -> list[str]:
    """Pods that bear the leader's label and are not being deleted."""
    return [
        pod["metadata"]["name"]
        for pod in pods()
        if pod["metadata"]["labels"].get(KEY) == "leader" and "deletionTimestamp" not in pod["metadata"]
    ]


def wait_until_whole() -> str:
    """Three ready pods, one of them the leader: its name."""

    def whole() -> bool:
        all_pods = pods()
        ready = [pod for pod in all_pods if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]
        return len(ready) == len(all_pods) == 3 and len(labelled()) == 1

    wait_until(whole, 90, "three ready pods with one leader", 0.3)
    return labelled()[0]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def service_address() -> str:
    """The leader's."""
    return _address(LEADER_SERVICE, NAMESPACE)


def etcd_address() -> str:
    return _address("etcd", "storage")


def _address(service: str, namespace: str) -> str:
    return kubectl("get", "service", service, f"-n={namespace}", "-o=jsonpath={.spec.clusterIP}")


def pid_of(pod: str, container: str) -> int:
    """Its first process, as seen in the node's PID namespace."""
    status = json.loads(kubectl("get", "pod", pod, f"-n={NAMESPACE}", "-o=json"))["status"]
    for each in (*status.get("initContainerStatuses", ()), *status["containerStatuses"]):
        if each["name"] == container:
            identity = each["containerID"].removeprefix("containerd://")
            break
    for line in _output(["ctr", "-n", "k8s.io", "tasks", "ls"]).splitlines():
        if line.startswith(identity):
            return int(line.split()[1])
    raise LookupError(f"{pod}: {container} does not run")


def send(pod: str, container: str, what: signal.Signals) -> int:
    pid = pid_of(pod, container)
    os.kill(pid, what)
    return pid


def delete(pod: str) -> None:
    kubectl("delete", "pod", pod, f"-n={NAMESPACE}", "--wait=false")


def linger(seconds: int) -> None:
    """From now on the workload is told to end that much later, and serves on until then; rolls the Deployment."""
    container = {"name": WORKLOAD, "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    target = f"deployment/{WORKLOAD}"
    kubectl("patch", target, f"-n={NAMESPACE}", "--patch", json.dumps(patch))
    kubectl("rollout", "status", target, f"-n={NAMESPACE}", "--timeout=120s")


# Manifests


def _list(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _object(
    version: str, kind: str, name: str, *, namespace: str = "", labels: Mapping[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(labels or {})} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _etcd() -> list[dict[str, Any]]:
    urls = ["--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://etcd.storage.svc:2379"]
    container = {
        "name": "etcd",
        "image": ETCD_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["--data-dir=/data", *urls],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"tcpSocket": {"port": 2379}, "periodSeconds": 1},
    }
    app = {"app": "etcd"}
    template = {
        "metadata": {"labels": app},
        "spec": {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]},
    }
    deployment = {"replicas": 1, "selector": {"matchLabels": app}, "template": template}
    return [
        _object("v1", "Namespace", "storage"),
        _object("apps/v1", "Deployment", "etcd", namespace="storage", spec=deployment),
        _object("v1", "Service", "etcd", namespace="storage", spec={"selector": app, "ports": [{"port": 2379}]}),
    ]


def _pod_spec() -> dict[str, Any]:
    container = {
        "name": WORKLOAD,
        "image": IMAGE,  # it has the Python that the workload needs, and is on the node
        "imagePullPolicy": "Never",
        "command": ["python3", "-B", "/program/workload.py"],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "serviceAccountName": WORKLOAD,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": "program"}}],
    }


_LABELS = {"app": WORKLOAD, "leader-sidecar/inject": ELECTION}


def _pod_alone() -> dict[str, Any]:
    spec = _pod_spec() | {"serviceAccountName": "default"}
    return _object("v1", "Pod", "probe", namespace=NAMESPACE, labels=_LABELS, spec=spec)


def _workload() -> list[dict[str, Any]]:
    template = {"metadata": {"labels": _LABELS}, "spec": _pod_spec()}
    deployment = {"replicas": 3, "selector": {"matchLabels": {"app": WORKLOAD}}, "template": template}
    service = {
        "selector": {KEY: "leader"},
        "ports": [{"port": 80, "targetPort": 8080}],
    }
    program = (HERE / "workload.py").read_text()
    return [
        _object("v1", "ServiceAccount", WORKLOAD, namespace=NAMESPACE),
        _object("v1", "ConfigMap", "program", namespace=NAMESPACE, data={"workload.py": program}),
        _object("apps/v1", "Deployment", WORKLOAD, namespace=NAMESPACE, spec=deployment),
        _object("v1", "Service", LEADER_SERVICE, namespace=NAMESPACE, spec=service),
    ]
