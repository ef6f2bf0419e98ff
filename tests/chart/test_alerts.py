"""The alerts, by Prometheus' own tool, which comes from Debian's package ``prometheus`` and is not built here."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.helm import CHART, template

PROMTOOL = shutil.which("promtool")
CASES = Path(__file__).with_name("alerts_test.yaml")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: apt-get install prometheus")


def promtool(*arguments: str, folder: Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(CHART / "files" / "alerts.yaml", tmp_path)
    shutil.copy(CASES, tmp_path)
    return tmp_path


def test_the_rules_are_well_formed(folder: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", "alerts.yaml", folder=folder)


def test_each_alert_fires_when_it_must_and_not_before(folder: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", CASES.name, folder=folder)


def test_no_alert_is_left_untested() -> None:
    rules = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    named = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    cases = yaml.safe_load(CASES.read_text())
    fired = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == named


@pytest.mark.tools
def test_the_chart_installs_these_rules_and_no_others() -> None:
    objects = template({"metrics": {"rules": {"enabled": True}}, "injection": {"enabled": False}})
    [rule] = [each for each in objects if each["kind"] == "PrometheusRule"]
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
