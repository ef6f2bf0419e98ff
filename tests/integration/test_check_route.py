"""``leader-sidecar check`` with ``--route`` on a real kube-apiserver: what of Service, slices and rights it finds."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Clusters
from tests.integration.test_check_live import Pod
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster
from tests.support.kube import install_route
from tests.support.policy import apply_policy

pytestmark = pytest.mark.tools

MACHINE = {"clock-source", "cpu-limit"}
"""The machine under the tests is what it is."""


@pytest.fixture
def recent(clusters: Clusters) -> Cluster:
    return clusters.get("etcd 3.6")


@pytest.fixture
def pod(real_control_plane: ControlPlane, tmp_path: Path) -> Pod:
    apply_policy(real_control_plane, labels=["role=primary/replica"])
    install_route(real_control_plane)
    return Pod(real_control_plane, tmp_path)


def create_service(pod: Pod, **spec: Any) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}
    pod.plane.must("POST", f"/api/v1/namespaces/{pod.namespace}/services", body)


def found(pod: Pod, etcd: Cluster, *flags: str) -> dict[str, str]:
    checked = pod.check(etcd, "--route=s", *flags)
    return {name: each["severity"] for name, each in checked.findings.items() if name not in MACHINE}


@pytest.mark.parametrize("flags", [(), ("--no-labels",)], ids=["beside the label", "alone"])
def test_a_route_as_it_should_be_has_no_findings(pod: Pod, recent: Cluster, flags: tuple[str, ...]) -> None:
    pod.bind("leader-sidecar:route")
    create_service(pod)
    assert found(pod, recent, *flags) == {}


def test_missing_rights_are_named(pod: Pod, recent: Cluster) -> None:
    create_service(pod)
    checked = pod.check(recent, "--route=s")
    assert checked.severity("rights-missing") == "error"
    assert "update endpointslices" in checked.findings["rights-missing"]["what"]
    assert "leader-sidecar:route" in checked.findings["rights-missing"]["mend"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"selector": {"app": "x"}}, {"route-selector": "error"}),
        ({"ports": [{"port": 80, "targetPort": "http"}]}, {"route-ports": "error"}),
        ({"type": "ExternalName", "externalName": "x.example"}, {"route-service": "error"}),
        (None, {"route-service": "error"}),
    ],
    ids=["selector", "ports", "external", "none"],
)
def test_a_service_that_cannot_be_routed(
    pod: Pod, recent: Cluster, spec: dict[str, Any] | None, expected: dict[str, str]
) -> None:
    pod.bind("leader-sidecar:route")
    if spec is not None:
        create_service(pod, **spec)
    assert found(pod, recent) == expected


def test_another_writer_of_its_slices(pod: Pod, recent: Cluster) -> None:
    pod.bind("leader-sidecar:route")
    create_service(pod)
    stranger = {
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [],
    }
    pod.plane.must("POST", f"/apis/discovery.k8s.io/v1/namespaces/{pod.namespace}/endpointslices", stranger)
    assert found(pod, recent) == {"route-stranger": "warning"}
