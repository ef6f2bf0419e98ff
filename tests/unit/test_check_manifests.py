"""``check --offline``: a manifest as it should be has no findings, and each thing wrong with it is named."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from sidecar.check.finding import Finding, Severity
from sidecar.check.manifests.documents import parse
from sidecar.check.offline import check_manifests

FIELDS = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}

RIGHT: dict[str, Any] = yaml.safe_load("""
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - name: leader-sidecar
        image: leader-sidecar:1.0
        restartPolicy: Always
        args: [run, --election=web, "--etcd-endpoints=http://etcd:2379", --native]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
        ports: [{name: leader-health, containerPort: 4041}]
        startupProbe: {httpGet: {path: /healthz, port: leader-health}}
        livenessProbe: {httpGet: {path: /healthz, port: leader-health}}
      containers:
      - {name: web, image: web:1, ports: [{containerPort: 8080}]}
""")


def deployment(**changes: Any) -> dict[str, Any]:
    """The right one with other parts: ``args`` (added), ``sidecar``, ``pod``, ``spec``, ``labels``, ``kind``."""
    made = copy.deepcopy(RIGHT)
    template = made["spec"]["template"]
    sidecar = template["spec"]["initContainers"][0]
    sidecar["args"] += changes.pop("args", [])
    sidecar.update(changes.pop("sidecar", {}))
    if changes.pop("plain", False):
        template["spec"].pop("initContainers")
        sidecar.pop("restartPolicy")
        sidecar["args"].remove("--native")
        template["spec"]["containers"].append(sidecar)
    template["spec"].update(changes.pop("pod", {}))
    template["metadata"]["labels"].update(changes.pop("labels", {}))
    made["spec"].update(changes.pop("spec", {}))
    made["kind"] = changes.pop("kind", made["kind"])
    assert not changes
    return made


def found(*manifests: Mapping[str, Any]) -> list[Finding]:
    return list(check_manifests(manifests, "test").findings)


def ids(*manifests: Mapping[str, Any]) -> set[str]:
    return {str(finding.id) for finding in found(*manifests)}


def env(name: str, value: str) -> dict[str, Any]:
    """The right environment with one more, or another, variable."""
    kept = [{"name": n, "valueFrom": {"fieldRef": {"fieldPath": p}}} for n, p in FIELDS.items() if n != name]
    return {"env": [*kept, {"name": name, "value": value}]}


def without(name: str) -> dict[str, Any]:
    return {"env": [{"name": n, "valueFrom": {"fieldRef": {"fieldPath": p}}} for n, p in FIELDS.items() if n != name]}


def secret(name: str) -> dict[str, Any]:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    return {"env": [*without("")["env"], {"name": name, "valueFrom": source}]}


@pytest.mark.parametrize(
    "manifest",
    [
        RIGHT,
        deployment(plain=True),
        deployment(kind="StatefulSet"),
        deployment(kind="DaemonSet"),
        deployment(kind="Job"),
        deployment(spec={"strategy": {"type": "Recreate"}}),
        deployment(args=["--ttl", "30"]),
        deployment(sidecar=env("LEADER_SIDECAR_TTL", "30")),
        deployment(sidecar=secret("LEADER_SIDECAR_ETCD_PASSWORD"), args=["--etcd-user=u", "--ttl=10"]),
        deployment(args=["--etcd-cacert=/etc/etcd/ca.crt", "--etcd-endpoints=https://etcd:2379"]),
        deployment(pod={"hostNetwork": True}, args=["--listen=localhost:14040", "--probe-listen=:14041"]),
        deployment(pod={"automountServiceAccountToken": False}, args=["--no-labels"]),
        deployment(sidecar={"resources": {"limits": {"cpu": "200m"}}}),
        deployment(sidecar={"resources": {"limits": {"memory": "128Mi"}}}),
        deployment(args=["--label=role=primary/replica"]),
        {"kind": "List", "items": [RIGHT]},
    ],
)
def test_a_manifest_as_it_should_be_has_no_errors(manifest: dict[str, Any]) -> None:
    flat = parse(yaml.safe_dump(manifest))
    allowed = {"password-in-clear"}
    assert {str(finding.id) for finding in check_manifests(flat, "test").findings} <= allowed


@pytest.mark.parametrize(
    ("finding", "severity", "manifest"),
    [
        ("unknown-flag", "error", deployment(args=["--bogus"])),
        ("setting", "error", deployment(args=["--ttl=1"])),
        ("setting", "error", deployment(args=["--ttl=x"])),
        ("setting", "error", deployment(args=["--election=UPPER"])),
        ("setting", "error", deployment(args=["--listen=:4041"])),
        ("setting", "error", deployment(args=["--drain-timeout=1"])),
        ("setting", "error", deployment(sidecar={"args": ["run", "--election=web"]})),
        ("setting", "error", deployment(sidecar=env("LEADER_SIDECAR_TTL", "soon"))),
        ("ttl-short", "warning", deployment(args=["--ttl=3"])),
        ("ttl-short", "warning", deployment(sidecar=env("LEADER_SIDECAR_TTL", "3"))),
        ("ttl-long", "warning", deployment(args=["--ttl=600"])),
        ("password-in-clear", "warning", deployment(args=["--etcd-user=u", "--etcd-password-file=/p"])),
        ("cluster-name", "note", deployment(args=["--etcd-endpoints=https://etcd.example.com:2379"])),
        ("cluster-name", "note", deployment(args=["--cluster-name=c", "--lock-name=/x"])),
        ("cpu-limit", "warning", deployment(sidecar={"resources": {"limits": {"cpu": "199m"}}})),
        ("cpu-limit", "warning", deployment(sidecar={"resources": {"limits": {"cpu": 0.1}}})),
        ("downward-api", "error", deployment(sidecar=without("POD_NAME"))),
        ("downward-api", "error", deployment(sidecar=without("POD_UID"))),
        ("downward-api", "warning", deployment(sidecar=without("POD_NAMESPACE"))),
        ("downward-api", "error", deployment(sidecar=env("POD_NAME", "web"))),
        ("token-not-mounted", "error", deployment(pod={"automountServiceAccountToken": False})),
        ("native", "error", deployment(sidecar={"restartPolicy": None})),
        ("native", "error", deployment(plain=True, args=["--native"])),
        ("native", "warning", deployment(args=["--no-native"])),
        ("job-never-ends", "error", deployment(kind="Job", plain=True)),
        ("grace-short", "warning", deployment(plain=True, pod={"terminationGracePeriodSeconds": 10})),
        ("grace-short", "warning", deployment(plain=True, args=["--drain-timeout=60"])),
        ("host-network", "error", deployment(pod={"hostNetwork": True})),
        ("host-network", "error", deployment(pod={"hostNetwork": True}, args=["--listen=localhost:14040"])),
        ("probe-port", "error", deployment(sidecar={"livenessProbe": {"httpGet": {"path": "/healthz", "port": 4040}}})),
        (
            "sidecar-readiness",
            "warning",
            deployment(sidecar={"readinessProbe": {"httpGet": {"path": "/readyz", "port": 4041}}}),
        ),
        ("port-clash", "error", deployment(pod={"containers": [{"name": "w", "ports": [{"containerPort": 4040}]}]})),
        (
            "port-clash",
            "error",
            deployment(
                args=["--probe-listen=:8080"], pod={"containers": [{"name": "w", "ports": [{"containerPort": 8080}]}]}
            ),
        ),
        ("owner-selector", "error", deployment(spec={"selector": {"matchLabels": {"leader-sidecar/web": "leader"}}})),
        (
            "owner-selector",
            "error",
            deployment(
                args=["--label=role=primary/replica"],
                spec={"selector": {"matchExpressions": [{"key": "role", "operator": "Exists"}]}},
            ),
        ),
        (
            "owner-selector",
            "error",
            deployment(
                args=["--label-prefix=example.com"], spec={"selector": {"matchLabels": {"example.com/web": "x"}}}
            ),
        ),
        ("born-leader", "error", deployment(labels={"leader-sidecar/web": "leader"})),
        ("born-leader", "error", deployment(labels={"leader-sidecar/web": "electing"})),
        ("born-leader", "error", deployment(args=["--label=role=primary/replica"], labels={"role": "primary"})),
    ],
)
def test_what_is_wrong_is_named(finding: str, severity: str, manifest: dict[str, Any]) -> None:
    hits = [each for each in found(manifest) if each.id == finding]
    assert [str(each.severity) for each in hits] == [severity]
    assert hits[0].where == f"{manifest['kind']} shop/web"


@pytest.mark.parametrize(
    ("absent", "manifest"),
    [
        # what stands elsewhere is not missed
        ("setting", deployment(sidecar={"args": ["run", "--election=web"], **secret("LEADER_SIDECAR_ETCD_ENDPOINTS")})),
        ("setting", deployment(sidecar={"args": ["run"], "envFrom": [{"configMapRef": {"name": "c"}}]})),
        ("downward-api", deployment(sidecar={"envFrom": [{"configMapRef": {"name": "c"}}], "env": []})),
        ("ttl-short", deployment(sidecar=secret("LEADER_SIDECAR_TTL"))),
        ("setting", deployment(args=["--ttl=$(TTL)"], sidecar=secret("TTL"))),
        ("downward-api", deployment(sidecar=without("POD_UID"), args=["--no-labels"])),
        ("born-leader", deployment(labels={"leader-sidecar/web": "follower"})),
        ("native", deployment(plain=True)),
        ("job-never-ends", deployment(kind="Job")),
        ("grace-short", deployment(pod={"terminationGracePeriodSeconds": 1})),
        ("port-clash", deployment(pod={"containers": [{"ports": [{"containerPort": 4040, "protocol": "UDP"}]}]})),
    ],
)
def test_what_is_right_or_not_to_be_seen_is_not_named(absent: str, manifest: dict[str, Any]) -> None:
    assert absent not in ids(manifest)


def test_a_variable_from_the_pods_own_labels_is_read_there() -> None:
    source = {"fieldRef": {"fieldPath": "metadata.labels['app']"}}
    given: dict[str, Any] = {"args": ["run", "--etcd-endpoints=http://etcd:2379", "--native"]}
    given["env"] = [*without("")["env"], {"name": "LEADER_SIDECAR_ELECTION", "valueFrom": source}]
    manifest = deployment(sidecar=given, labels={"leader-sidecar/web": "leader"})
    assert ids(manifest) == {"born-leader"}


def test_references_to_variables_are_filled_in_as_kubernetes_does() -> None:
    assert "ttl-short" in ids(deployment(args=["--ttl=$(SECONDS)"], sidecar=env("SECONDS", "3")))


def injected(**changes: Any) -> dict[str, Any]:
    """A template that asks for injection: no sidecar in it yet."""
    made = deployment(labels={"leader-sidecar/inject": "web", **changes.pop("labels", {})}, **changes)
    made["spec"]["template"]["spec"].pop("initContainers")
    return made


def test_a_template_that_asks_for_injection_is_looked_at_too() -> None:
    assert ids(injected()) == set()
    assert "born-leader" in ids(injected(labels={"leader-sidecar/web": "leader"}))
    assert "owner-selector" in ids(injected(spec={"selector": {"matchLabels": {"leader-sidecar/web": "x"}}}))
    assert "port-clash" in ids(injected(pod={"containers": [{"ports": [{"containerPort": 4041}]}]}))


def test_settings_by_annotation_are_read() -> None:
    made = injected()
    made["spec"]["template"]["metadata"]["annotations"] = {"leader-sidecar/ttl": "1", "leader-sidecar/label": "x"}
    assert [each.what for each in found(made)] == ["--label: 'x'"]  # what cannot be read is said first, on its own
    made["spec"]["template"]["metadata"]["annotations"] = {"leader-sidecar/ttl": "1"}
    assert [each.what for each in found(made)] == ["--ttl: 1"]


@pytest.mark.parametrize(("value", "wrong"), [("leader", False), ("follower", False), ("true", True), ("Leader", True)])
def test_a_service_that_asks_for_what_nobody_writes_is_named(value: str, wrong: bool) -> None:
    service = {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"leader-sidecar/web": value}}}
    assert ("service-selector" in ids(RIGHT, service)) is wrong


def test_two_workloads_in_one_election_are_a_note() -> None:
    other = copy.deepcopy(RIGHT)
    other["metadata"]["name"] = "worker"
    assert [str(each.severity) for each in found(RIGHT, other)] == ["note"]
    other["metadata"]["namespace"] = "elsewhere"
    assert found(RIGHT, other) == []


def test_manifests_without_a_sidecar_are_a_warning() -> None:
    report = check_manifests([{"kind": "Service"}, {"kind": "Deployment", "spec": None}], "files")
    assert [(str(each.id), each.severity) for each in report.findings] == [("no-sidecar", Severity.WARNING)]
    assert report.exit_code == 0


@pytest.mark.parametrize(
    "container",
    [
        {"name": "leader-sidecar", "image": "x"},
        {"name": "x", "image": "registry.example/team/leader-sidecar:1"},
        {"name": "x", "image": "leader-sidecar@sha256:0", "args": ["run"]},
        {"name": "x", "image": "y", "command": ["leader-sidecar", "run"]},
        {"name": "x", "image": "y", "command": ["python", "-m", "sidecar"], "args": ["run"]},
    ],
)
def test_a_sidecar_is_known_by_name_image_or_command(container: dict[str, Any]) -> None:
    report = check_manifests([{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}], "x")
    assert report.checked == ("Pod p",)


@pytest.mark.parametrize("command", [["run"], ["leader-sidecar", "wait"], ["npm", "run", "leader-sidecar"]])
def test_other_programs_are_no_sidecars(command: list[str]) -> None:
    container = {"name": "x", "image": "y", "command": command}
    report = check_manifests([{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}], "x")
    assert report.checked == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        {"kind": "Deployment"},
        {"kind": "Deployment", "spec": {"template": {"spec": {"containers": "none"}}}},
        {"kind": "Pod", "metadata": None, "spec": {"containers": [{"name": "leader-sidecar", "args": "run"}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "leader-sidecar", "env": [{"name": None}], "ports": [1]}]}},
        {"kind": "CronJob", "spec": {"jobTemplate": []}},
        {"kind": ["Pod"]},
        {
            "kind": "Deployment",
            "spec": {
                "replicas": "many",
                "strategy": "x",
                "template": {
                    "spec": {
                        "containers": [{"name": "leader-sidecar"}],
                        "readinessGates": [{"conditionType": "leader-sidecar/e"}],
                    }
                },
            },
        },
    ],
)
def test_manifests_of_the_wrong_shape_are_no_crash(nonsense: dict[str, Any]) -> None:
    check_manifests([nonsense], "x")
