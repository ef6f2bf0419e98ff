"""Every file in deploy/ is accepted by a real API server, and what is made there is what its source makes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.render import rendered
from tests.support.controlplane import ControlPlane
from tests.support.helm import ROOT, kubectl
from tests.support.installed import INJECT

DEPLOY = ROOT / "deploy"
NOT_KUBERNETES = {"compose.yaml", "kind.yaml"}

KUSTOMIZATIONS = sorted(
    path.parent.relative_to(DEPLOY).as_posix()
    for path in DEPLOY.rglob("kustomization.yaml")
    if yaml.safe_load(path.read_text())["kind"] == "Kustomization"
)
DOCUMENTED = re.findall(
    r"^```yaml\n(apiVersion:.*?)^```",
    "".join((ROOT / "docs" / name).read_text() for name in ("kubernetes.md", "routing.md")),
    re.DOTALL | re.MULTILINE,
)
SECURE = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
COMPONENTS = ["rights", "policy", "route", "injection"]
EXAMPLES = sorted(
    path.relative_to(DEPLOY).as_posix()
    for path in (DEPLOY / "examples").rglob("*.yaml")
    if path.name not in NOT_KUBERNETES and path.parent.name != "kustomize"
)


@pytest.fixture(scope="module")
def namespace(plane: ControlPlane) -> str:
    """One with the restricted standard, and with the service account that the examples name."""
    name = plane.create_namespace("examples")
    # warn: so that workloads are judged, too, whose pods nobody makes here
    standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    labels = {"metadata": {"labels": standard}}
    plane.must("PATCH", f"/api/v1/namespaces/{name}", labels, content_type="application/merge-patch+json")
    if plane.request("GET", "/api/v1/namespaces/leader-sidecar").status == 404:
        plane.create_namespace("leader-sidecar")
    return name


def accepted(plane: ControlPlane, text: str, namespace: str | None) -> list[dict[str, Any]]:
    """As the API server would store them, strictly validated; what it warns of is an error here."""
    where = [f"--namespace={namespace}"] if namespace else []
    options = ["--dry-run=server", "--validate=strict", "--warnings-as-errors", "--output=yaml", "--filename=-"]
    return [each for each in yaml.safe_load_all(kubectl("create", *options, *where, plane=plane, given=text)) if each]


@pytest.mark.tools
@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_a_kustomization_builds_and_is_accepted(plane: ControlPlane, namespace: str, folder: str) -> None:
    text = kubectl("kustomize", str(DEPLOY / folder))
    documents = [each for each in yaml.safe_load_all(text) if each["kind"] != "Namespace"]
    assert documents
    own = any(each["metadata"].get("namespace") for each in documents)
    accepted(plane, yaml.safe_dump_all(documents), None if own or folder == "base" else namespace)


@pytest.mark.tools
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_is_accepted(plane: ControlPlane, namespace: str, component: str) -> None:
    accepted(plane, (DEPLOY / "components" / component / f"{component}.yaml").read_text(), None)


@pytest.mark.tools
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted_in_a_restricted_namespace(plane: ControlPlane, namespace: str, example: str) -> None:
    accepted(plane, (DEPLOY / example).read_text(), namespace)


@pytest.mark.tools
@pytest.mark.parametrize("number", range(len(DOCUMENTED)))
def test_what_the_docs_show_is_accepted(plane: ControlPlane, namespace: str, number: int) -> None:
    for each in yaml.safe_load_all(DOCUMENTED[number]):
        if each["kind"] == "Deployment":  # shown without what the standard asks of the workload's own container
            each["spec"]["template"]["spec"]["containers"][0]["securityContext"] = SECURE
        accepted(plane, yaml.safe_dump(each), namespace)


@pytest.mark.tools
def test_what_is_made_is_what_its_source_makes() -> None:
    for path, text in rendered():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is old: python -m tests.chart.render"


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.yaml")), ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_a_file_is_yaml_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert list(yaml.safe_load_all(text))
    if path.parent.parent.name == "examples" or path.parent.name == "examples":
        assert text.startswith("#") or path.parent.name == "kustomize"


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in (
        "docs/kubernetes.md",
        "docs/routing.md",
        "docs/security.md",
        "deploy/README.md",
        "helm/leader-sidecar/README.md",
    ):
        path = ROOT / page
        for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
            assert (path.parent / link).exists(), f"{page}: {link}"


def test_examples_name_one_election_in_label_and_services() -> None:
    for path in (DEPLOY / "examples" / "injected").glob("*.yaml"):
        objects = list(yaml.safe_load_all(path.read_text()))
        asked = {
            each["spec"]["template"]["metadata"]["labels"][INJECT]
            for each in objects
            if "template" in each.get("spec", {})
        }
        keys = {
            key.removeprefix("leader-sidecar/")
            for each in objects
            if each["kind"] == "Service"
            for key in each["spec"].get("selector", {})
            if key.startswith("leader-sidecar/")
        }
        assert keys <= asked, path
