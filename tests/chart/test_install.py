"""Every scenario of the chart, installed into a real control plane: what comes, is refused, and is left behind."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.children import Deadline
from tests.support.cluster import cluster
from tests.support.controlplane import ControlPlane
from tests.support.helm import (
    CHART,
    NAMESPACE,
    RELEASE,
    CommandFailed,
    helm,
    kubectl,
    scenario,
    scenarios,
    template,
)
from tests.support.installed import INJECT, install, pod
from tests.support.tools import helm_binary, helm_unittest_binary

pytestmark = pytest.mark.tools

KINDS = (
    "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,"
    "mutatingadmissionpolicybindings,clusterroles,rolebindings,configmaps,deployments,services,networkpolicies,"
    "serviceaccounts"
)


@pytest.fixture(scope="module")
def monitored(plane: ControlPlane) -> ControlPlane:
    """The cluster also knows the Prometheus operator's kinds, as far as the chart asks for them."""
    for kind, plural in (("PodMonitor", "podmonitors"), ("PrometheusRule", "prometheusrules")):
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "monitoring.coreos.com", "names": names, "scope": "Namespaced", "versions": [version]}
        body = {"metadata": {"name": f"{plural}.monitoring.coreos.com"}, "spec": spec}
        plane.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
        deadline = Deadline(30, poll_seconds=0.1)
        while deadline.goes_on() and plane.request("GET", f"/apis/monitoring.coreos.com/v1/{plural}").status != 200:
            continue
    return plane


@pytest.fixture
def shops(monitored: ControlPlane) -> Iterator[ControlPlane]:
    """The namespaces that the scenarios name."""
    for name in ("shop", "restricted"):
        if monitored.request("GET", f"/api/v1/namespaces/{name}").status == 404:
            monitored.create_namespace(name)
    yield monitored
    if RELEASE in helm("list", "--short", f"--namespace={NAMESPACE}", plane=monitored):
        helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait", plane=monitored)


def install_scenario(name: str, plane: ControlPlane, *more: str) -> str:
    where = (f"--namespace={NAMESPACE}", "--create-namespace", f"--values={scenario(name)}")
    return helm("upgrade", "--install", RELEASE, str(CHART), *where, *more, plane=plane)


def left_behind(plane: ControlPlane) -> list[str]:
    found = kubectl("get", KINDS, "--all-namespaces", "--output=name", plane=plane, given=None).split()
    return [name for name in found if "leader-sidecar" in name]


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_installs_upgrades_onto_itself_and_leaves_nothing(name: str, shops: ControlPlane) -> None:
    before = left_behind(shops)
    assert before == []
    install_scenario(name, shops)
    first = kubectl("get", KINDS, "--all-namespaces", "--output=json", plane=shops)
    install_scenario(name, shops)
    second = kubectl("get", KINDS, "--all-namespaces", "--output=json", plane=shops)
    assert versions(second) == versions(first), "an upgrade that changes no value changes no object"
    helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait", plane=shops)
    deadline = Deadline(30, poll_seconds=0.2)
    while deadline.goes_on() and left_behind(shops):
        continue
    assert left_behind(shops) == []


def versions(listed: str) -> dict[str, str]:
    """Generation, or data where there is none, by name: the controllers' own writes are no change."""
    items = [each for each in json.loads(listed)["items"] if "leader-sidecar" in each["metadata"]["name"]]
    return {
        f"{each['kind']}/{each['metadata']['name']}": str(each["metadata"].get("generation", each.get("data", "")))
        for each in items
    }


@pytest.mark.parametrize("name", scenarios())
def test_every_object_passes_strict_validation(name: str, shops: ControlPlane) -> None:
    """Helm's own apply does not mind a misspelt field; ``--validate=strict`` does."""
    objects = template(files=[scenario(name)], more=["--is-upgrade"])
    for each in objects:
        if each["metadata"].get("namespace") == NAMESPACE:
            each["metadata"]["namespace"] = "shop"
        if each["kind"] == "Pod":  # a dry run makes no service account that it could have
            each["spec"]["serviceAccountName"] = "default"
    given = "---\n".join(yaml.safe_dump(each) for each in objects)
    kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", plane=shops, given=given)


def test_the_example_s_pods_have_their_sidecar_from_the_first(shops: ControlPlane) -> None:
    install_scenario("example", shops)
    deadline = Deadline(60, poll_seconds=0.2)
    pods: list[dict[str, Any]] = []
    while deadline.goes_on() and len(pods) < 3:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app=leader-sidecar-example"
        pods = shops.must("GET", path)["items"]
    assert [[each["name"] for each in pod["spec"]["initContainers"]] for pod in pods] == [["leader-sidecar"]] * 3


def test_it_works_again_after_it_was_gone(plane: ControlPlane) -> None:
    """An API server forgets the parameters of policies that were away, for good: ours have none."""
    for _ in range(2):
        with install(plane) as installed:
            answer = installed.dry_run(installed.namespace(), pod(labels={INJECT: "e"}))
            assert "initContainers" in answer.body["spec"]


def test_a_second_installation_is_refused_by_helm(plane: ControlPlane) -> None:
    where = ("--namespace=default", f"--values={scenario('example')}")
    with install(plane), pytest.raises(CommandFailed, match=r"ClusterRole.*leader-sidecar:candidate"):
        helm("install", "another", str(CHART), *where, plane=plane)


def test_a_monitor_is_refused_where_nobody_reads_it(plane: ControlPlane) -> None:
    with pytest.raises(CommandFailed, match="this cluster has no PodMonitor"):
        helm(
            "template",
            RELEASE,
            str(CHART),
            "--kube-version=1.36.3",
            "--set=metrics.podMonitor.enabled=true,injection.enabled=false,policy.enabled=false",
        )


def test_values_that_are_none_are_refused_before_anything_is_made() -> None:
    for wrong in (
        "sidecar.ttl=5",
        "image.tag=a b",
        "sidecar.ttlSeconds=1",
        "namespaces[0].nam=x",
        "policy.label=x=a/b",
    ):
        with pytest.raises(CommandFailed, match="schema"):
            helm("template", RELEASE, str(CHART), f"--set={wrong}")


@pytest.mark.parametrize("name", scenarios())
def test_lint_has_nothing_to_say(name: str) -> None:
    said = helm("lint", str(CHART), f"--values={scenario(name)}", "--strict")
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_the_chart_s_own_suites_pass() -> None:
    done = subprocess.run([helm_unittest_binary(), "--strict", CHART], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_helm_is_a_version_that_the_chart_names() -> None:
    said = subprocess.run([helm_binary(), "version", "--short"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("v3.14" if "helm-3" in str(helm_binary()) else "v4")


@pytest.mark.slow
def test_on_a_cluster_of_1_35_all_but_injection_is_there() -> None:
    flags = ["--emulated-version=1.35"]
    with cluster(apiserver_flags=flags, scheduler=False) as older:
        said = install_scenario("injection", older, "--set=namespaces=null", "--wait=false")
        assert "NOT installed: injection" in said
        assert "begins with 1.36" in said
        policies = older.must("GET", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")["items"]
        assert [each["metadata"]["name"] for each in policies] == ["leader-sidecar", "leader-sidecar-events"]
        path = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
        assert older.request("GET", path).status == 404
