"""What this repository tells people to apply passes ``check --offline``."""

import re
from pathlib import Path

import pytest
import yaml

from sidecar.check.finding import Severity
from sidecar.check.offline import check_files, check_manifests

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    path for folder in ("written", "injected") for path in (ROOT / "deploy" / "examples" / folder).glob("*")
)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_an_example_has_no_errors(file: Path) -> None:
    report = check_files([str(file)])
    assert report.checked
    assert [each for each in report.findings if each.severity is Severity.ERROR] == []
    if file.name != "readiness.yaml":  # which shows what to set where readiness is the leader's alone
        assert report.findings == ()


def test_the_readmes_pod_has_no_findings() -> None:
    spec, service = (
        yaml.safe_load(block)
        for block in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    template = {"metadata": {"labels": {"app": "worker"}}, "spec": spec}
    workload = {"replicas": 3, "selector": {"matchLabels": {"app": "worker"}}, "template": template}
    report = check_manifests(
        [{"kind": "Deployment", "metadata": {"name": "worker"}, "spec": workload}, service], "README"
    )
    assert report.checked == ("Deployment worker",)
    assert report.findings == ()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
