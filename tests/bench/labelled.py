"""Sidecars with their labels on, against a real API server: for what the pod label costs."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.idle import TTL_SECONDS, Watched
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane, control_plane
from tests.support.etcd import Cluster
from tests.support.policy import apply_policy
from tests.support.sidecar import SidecarProcess

NAMESPACE, KEY = "bench", "leader-sidecar/e"
AS_IN_A_POD = """
set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
mount --bind "$0" /run/secrets/kubernetes.io/serviceaccount
exec "$@"
"""
"""The service account's files where kubelet mounts them, in a mount namespace of its own."""


@contextmanager
def labelled_pair(etcd: Cluster, folder: Path) -> Iterator[list[Watched]]:
    """A leader and a waiter whose pods bear their labels. Raises ``ToolMissing`` where no kube-apiserver is built."""
    with control_plane() as kubernetes, ExitStack() as started:
        apply_policy(kubernetes, labels=[])
        kubernetes.create_namespace(NAMESPACE)
        _give_rights(kubernetes)
        pair = []
        for role, value in (("leader", "leader"), ("waiter", "follower")):
            sidecar = started.enter_context(_sidecar(kubernetes, etcd, folder, f"labelled-{role}"))
            _wait_for_label(kubernetes, sidecar, value)
            pair.append(Watched(role, sidecar, labels=True))
        yield pair


def _give_rights(kubernetes: ControlPlane) -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "leader-sidecar:candidate"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}
    body = {"metadata": {"name": "candidates"}, "roleRef": role, "subjects": [subject]}
    kubernetes.must("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings", body)


def _sidecar(kubernetes: ControlPlane, etcd: Cluster, folder: Path, name: str) -> SidecarProcess:
    uid = str(kubernetes.create_pod(NAMESPACE, name)["metadata"]["uid"])
    token = kubernetes.pod_token(NAMESPACE, "default", name, uid)
    account = folder / f"{name}.account"
    account.mkdir()
    (account / "token").write_text(token)
    (account / "ca.crt").write_bytes(kubernetes.ca_file.read_bytes())
    address = urlsplit(kubernetes.url)
    sidecar = SidecarProcess(
        name,
        etcd_endpoints=etcd.only.url,
        lock_name="/bench/labelled",
        folder=folder,
        ttl_seconds=TTL_SECONDS,
        flags=["--labels"],
        environment={
            "POD_NAME": name,
            "POD_NAMESPACE": NAMESPACE,
            "POD_UID": uid,
            "KUBERNETES_SERVICE_HOST": str(address.hostname),
            "KUBERNETES_SERVICE_PORT": str(address.port),
        },
    )
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    sidecar.command = [*namespace, "sh", "-c", AS_IN_A_POD, str(account), *sidecar.command]
    return sidecar


def _wait_for_label(kubernetes: ControlPlane, sidecar: SidecarProcess, value: str) -> None:
    deadline, seen = Deadline(60), None
    while deadline.goes_on() and sidecar.alive:
        seen = kubernetes.pod(NAMESPACE, sidecar.identity)["metadata"].get("labels", {}).get(KEY)
        if seen == value:
            return
    raise AssertionError(f"{sidecar.identity} bears {seen}, not {value}: {sidecar.output()}")
