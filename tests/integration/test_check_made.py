"""What chart and ``inject`` make passes ``check --offline``."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sidecar.check.finding import Severity
from sidecar.check.offline import check_files, check_manifests
from tests.support.helm import scenario, template

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "injected"


@pytest.mark.tools
@pytest.mark.parametrize("name", ["example", "everything"])
def test_the_charts_example_has_no_errors(name: str) -> None:
    report = check_manifests(template(files=[scenario(name)]), name)
    assert report.checked
    assert [each for each in report.findings if each.severity is Severity.ERROR] == []


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_what_inject_writes_has_no_errors_and_the_same_findings_as_what_it_was_made_of(
    file: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "sidecar", "inject", "-f", str(file), "--image=leader-sidecar:1"]
    command.append("--etcd-endpoints=http://etcd.etcd:2379")
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    written = tmp_path / "made.yaml"
    written.write_text(made)
    assert any("leader-sidecar" in str(each) for each in yaml.safe_load_all(made))
    report = check_files([str(written)])
    assert [each.id for each in report.findings] == [each.id for each in check_files([str(file)]).findings]
    assert all(each.severity is not Severity.ERROR for each in report.findings)
