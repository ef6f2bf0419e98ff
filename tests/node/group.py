"""Groups of three injected pods on the node, their etcd, and what is done to them.

Commands run within the node's namespaces. Where no group is named, it is the one with a label and no route.
"""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.node import manifests
from tests.node.names import ETCD_IMAGE as ETCD_IMAGE  # what is named so, is had from here
from tests.node.names import ETCD_URL as ETCD_URL
from tests.node.names import IMAGE as IMAGE
from tests.node.names import LABELLED as LABELLED
from tests.node.names import NAMESPACE as NAMESPACE
from tests.node.names import SIDECAR as SIDECAR
from tests.node.names import TTL_SECONDS as TTL_SECONDS
from tests.node.names import WORKLOAD as WORKLOAD
from tests.node.names import Group as Group
from tests.support.tools import helm_binary
from tests.tools.node.waiting import wait_until

CHART = Path(__file__).parents[2] / "helm" / "leader-sidecar"
RELEASE = "leader-sidecar"


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
    """etcd, and the chart with injection and the rights to route; in force when it returns."""
    kubectl("apply", "-f", "-", given=manifests.listed(manifests.etcd()))
    name, _, tag = IMAGE.rpartition(":")
    values = {
        "image": {"repository": name, "tag": tag, "pullPolicy": "Never"},
        "sidecar": {"ttlSeconds": TTL_SECONDS, "etcd": {"endpoints": [ETCD_URL]}},
        "namespaces": [{"name": NAMESPACE, "serviceAccounts": [WORKLOAD]}],
        "route": {"enabled": True},
    }
    kubectl("apply", "-f", "-", given=manifests.listed([manifests.namespace()]))
    helm("upgrade", "--install", RELEASE, str(CHART), "--create-namespace", "--values=-", given=json.dumps(values))
    kubectl("rollout", "status", "deployment/etcd", "--namespace=storage", "--timeout=60s")
    _wait_for_injection()
    kubectl("apply", "-f", "-", given=manifests.listed(manifests.program()))


def start(group: Group = LABELLED) -> None:
    """Its pods and its leader's Service; the pods are ready when it returns."""
    kubectl("apply", "-f", "-", given=manifests.listed(manifests.workload(group)))
    wait_for_rollout(group)


def remove(group: Group) -> None:
    for what in (group.owner, f"service/{group.service}"):
        kubectl("delete", what, f"-n={NAMESPACE}", "--ignore-not-found")


def wait_for_rollout(group: Group = LABELLED) -> None:
    kubectl("rollout", "status", group.owner, f"-n={NAMESPACE}", "--timeout=180s")


def _wait_for_injection() -> None:
    probe = manifests.listed([manifests.pod_alone()])
    command = ["create", "--dry-run=server", "-o", "jsonpath={.spec.initContainers[*].name}", "-f", "-"]

    def injected() -> bool:
        try:
            return SIDECAR in kubectl(*command, given=probe)
        except RuntimeError:  # the namespace's service account is still being made, or the policy's ConfigMap read
            return False

    wait_until(injected, 30, "injection in force", 0.3)


def pods(group: Group = LABELLED) -> list[dict[str, Any]]:
    return list(json.loads(kubectl("get", "pods", f"-n={NAMESPACE}", f"-l=app={group.name}", "-o=json"))["items"])


def labelled(group: Group = LABELLED) -> list[str]:
    """Pods that bear the leader's label and are not being deleted."""
    return [
        pod["metadata"]["name"]
        for pod in pods(group)
        if pod["metadata"]["labels"].get(group.key) == "leader" and "deletionTimestamp" not in pod["metadata"]
    ]


def wait_until_whole(group: Group = LABELLED) -> str:
    """Three ready pods, one of them the leader, and the route leads to it: its name."""

    def whole() -> bool:
        all_pods = pods(group)
        ready = [pod for pod in all_pods if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]
        leaders = labelled(group)
        routed = not group.routed or _route(group) == leaders
        return len(ready) == len(all_pods) == 3 and len(leaders) == 1 and routed

    wait_until(whole, 90, f"three ready pods of {group.name} with one leader", 0.3)
    return labelled(group)[0]


def _route(group: Group) -> list[str]:
    """The pods that the Service's slices name."""
    chosen = f"-l=kubernetes.io/service-name={group.service}"
    slices = json.loads(kubectl("get", "endpointslices", f"-n={NAMESPACE}", chosen, "-o=json"))["items"]
    return [endpoint["targetRef"]["name"] for each in slices for endpoint in each.get("endpoints") or ()]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def service_address(group: Group = LABELLED) -> str:
    """The leader's."""
    return _address(group.service, NAMESPACE)


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


def linger(seconds: int, group: Group = LABELLED) -> None:
    """From now on the workload is told to end that much later, and serves on until then; rolls the group."""
    container = {"name": WORKLOAD, "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    kubectl("patch", group.owner, f"-n={NAMESPACE}", "--patch", json.dumps(patch))
    wait_for_rollout(group)


def give_up(pod: str) -> float:
    """The workload stops, and its sidecar resigns: when it was asked to (monotonic seconds). Raises ``OSError``."""
    return _tell(pod, "/resign")


def transfer(pod: str, to: str) -> float:
    """The leader ``pod`` hands the lead over to the pod ``to``; as ``give_up``."""
    return _tell(pod, f"/transfer/{to}")


def _tell(pod: str, path: str) -> float:
    """Its workload, which passes it on to its sidecar."""
    address = kubectl("get", "pod", pod, f"-n={NAMESPACE}", "-o=jsonpath={.status.podIP}")
    connection = http.client.HTTPConnection(address, 8080, timeout=30)
    asked_at = time.monotonic()
    try:
        connection.request("POST", path)
        answer = connection.getresponse()
        if answer.status != 204:
            raise OSError(f"{pod}{path}: {answer.status} {answer.read()!r}")
        return asked_at
    finally:
        connection.close()
