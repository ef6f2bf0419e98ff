"""What check finds about a Service that is routed by its EndpointSlices."""

from typing import Any

import pytest

from sidecar.check import kube, routes
from sidecar.check.finding import Finding
from sidecar.check.offline import check_manifests
from sidecar.kube.survey import RIGHTS, ROUTE_RIGHTS, Right

POD = {"containers": [{"name": "web", "ports": [{"name": "http", "containerPort": 8080}]}]}
OURS = {
    "metadata": {
        "name": "s-leader-sidecar-ipv4",
        "labels": {"endpointslice.kubernetes.io/managed-by": "leader-sidecar"},
    }
}
OTHERS = {"metadata": {"name": "s-x7k2p", "labels": {"endpointslice.kubernetes.io/managed-by": "by-hand"}}}


def service(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}], **spec},
    }


def shown(findings: list[Finding]) -> set[str]:
    return {f"{finding.severity} {finding.id}" for finding in findings}


@pytest.mark.parametrize(
    ("there", "slices", "expected"),
    [
        (service(), [], set()),
        (service(clusterIP="None"), [OURS], set()),
        (service(ports=[{"port": 80}, {"port": 81, "targetPort": 8081}]), [OURS], set()),
        (service(ports=None), [], set()),
        (None, [], {"error route-service"}),
        (service(type="ExternalName"), [], {"error route-service"}),
        (service(selector={"app": "x"}), [], {"error route-selector"}),
        # those that Kubernetes makes of the selector are no finding of their own
        (service(selector={"app": "x"}), [OURS, OTHERS], {"error route-selector"}),
        (service(), [OURS, OTHERS], {"warning route-stranger"}),
        (service(ports=[{"port": 80, "targetPort": "metrics"}]), [], {"error route-ports"}),
        (service(ports=[{"port": 80, "targetPort": "http", "protocol": "UDP"}]), [], {"error route-ports"}),
        (service(ports="wrong"), [], set()),
    ],
)
def test_a_service_in_the_cluster(there: Any, slices: list[Any], expected: set[str]) -> None:
    assert shown(list(routes.in_cluster("s", there, slices, POD))) == expected


def test_ports_are_not_judged_without_a_pod() -> None:
    assert list(routes.in_cluster("s", service(), [], {})) == []


def workload(*flags: str, namespace: str = "") -> dict[str, Any]:
    sidecar = {
        "name": "leader-sidecar",
        "args": ["run", "--native", "--election=e", "--etcd-endpoints=http://etcd:2379", *flags],
        "restartPolicy": "Always",
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}}
            for name, field in (("POD_NAME", "name"), ("POD_UID", "uid"), ("POD_NAMESPACE", "namespace"))
        ],
    }
    pod = {"metadata": {"labels": {"app": "w"}}, "spec": {**POD, "initContainers": [sidecar]}}
    metadata = {"name": "w", **({"namespace": namespace} if namespace else {})}
    return {
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": "w"}}, "template": pod},
    }


@pytest.mark.parametrize(
    ("manifests", "expected"),
    [
        ([workload("--route=s"), service()], set()),
        ([workload("--route=s"), service(selector={"app": "x"})], {"error route-selector"}),
        ([workload("--route=s"), service(ports=[{"port": 1, "targetPort": "other"}])], {"error route-ports"}),
        ([workload("--route=t"), service(selector={"app": "x"})], set()),
        ([workload(), service(selector={"app": "x"})], set()),
        ([workload("--route=s", namespace="shop"), service(selector={"app": "x"})], set()),
    ],
)
def test_a_service_in_manifests(manifests: list[Any], expected: set[str]) -> None:
    found = {each for each in shown(list(check_manifests(manifests, "x").findings)) if "route" in each}
    assert found == expected


def test_a_route_in_a_manifest_is_told_like_any_setting() -> None:
    report = check_manifests([workload("--route=No_Service")], "x")
    assert any(finding.id == "setting" and "--route" in finding.what for finding in report.findings)
    assert not any("--route" in finding.what for finding in check_manifests([workload("--route=s")], "x").findings)


@pytest.mark.parametrize("labels", [True, False])
def test_a_route_needs_rights_of_its_own(labels: bool) -> None:
    allowed: dict[Right, bool | None] = {
        **dict.fromkeys(RIGHTS, False),
        **dict.fromkeys(ROUTE_RIGHTS, True),
        ("discovery.k8s.io", "endpointslices", "update"): False,
    }
    found = list(kube.rights(allowed, "ns", labels=labels, routes=True))
    assert [finding.mend.split()[3] for finding in found] == [
        *(["leader-sidecar:candidate"] if labels else []),
        "leader-sidecar:route",
    ]
    assert "update endpointslices" in found[-1].what
