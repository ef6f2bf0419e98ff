"""The manifests of the node's test groups and of their etcd."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.node.names import ETCD_IMAGE, IMAGE, LABELLED, NAMESPACE, WORKLOAD, Group

_PROGRAM = Path(__file__).parent / "workload.py"


def listed(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _object(
    version: str, kind: str, name: str, *, namespace: str = "", labels: Mapping[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(labels or {})} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def etcd() -> list[dict[str, Any]]:
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


def namespace() -> dict[str, Any]:
    return _object("v1", "Namespace", NAMESPACE, labels={"pod-security.kubernetes.io/enforce": "restricted"})


def _pod_spec(asks: str) -> dict[str, Any]:
    container = {
        "name": WORKLOAD,
        "image": IMAGE,  # it has the Python that the workload needs, and is on the node
        "imagePullPolicy": "Never",
        "command": ["python3", "-B", "/program/workload.py"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ASKS", "value": asks},
        ],
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


def _labels(group: Group) -> dict[str, str]:
    return {"app": group.name, "leader-sidecar/inject": group.name}


def pod_alone() -> dict[str, Any]:
    spec = _pod_spec("deadline") | {"serviceAccountName": "default"}
    return _object("v1", "Pod", "probe", namespace=NAMESPACE, labels=_labels(LABELLED), spec=spec)


def program() -> list[dict[str, Any]]:
    program = _PROGRAM.read_text()
    return [
        _object("v1", "ServiceAccount", WORKLOAD, namespace=NAMESPACE),
        _object("v1", "ConfigMap", "program", namespace=NAMESPACE, data={"workload.py": program}),
    ]


def workload(group: Group) -> list[dict[str, Any]]:
    notes = {"leader-sidecar/route": group.service} if group.routed else {}
    template = {"metadata": {"labels": _labels(group), "annotations": notes}, "spec": _pod_spec(group.asks)}
    owner = {"replicas": 3, "selector": {"matchLabels": {"app": group.name}}, "template": template}
    if group.kind == "statefulset":
        owner["serviceName"] = group.service
    kind = {"deployment": "Deployment", "statefulset": "StatefulSet"}[group.kind]
    return [
        _object("apps/v1", kind, group.name, namespace=NAMESPACE, spec=owner),
        _object("v1", "Service", group.service, namespace=NAMESPACE, spec={"ports": _PORTS})
        if group.routed
        else label_service(group.service, group),
    ]


def label_service(name: str, group: Group) -> dict[str, Any]:
    """Leads to the group's leader by its label."""
    return _object(
        "v1", "Service", name, namespace=NAMESPACE, spec={"selector": {group.key: "leader"}, "ports": _PORTS}
    )


_PORTS = [{"port": 80, "targetPort": 8080}]
