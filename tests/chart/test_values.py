"""The chart's values: each is used, described where it stands, and typed; and the chart says one version."""

import json
import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests.support.helm import CHART

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = {path: path.read_text() for path in (CHART / "templates").iterdir()}

FREE = {"metrics.podMonitor.labels", "metrics.rules.labels", "metrics.dashboard.labels"}
"""Mappings of the user's own keys."""
WHOLE = {"sidecar.resources"}
"""Put into the container as they stand."""


def leaves(values: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in values.items():
        path = f"{prefix}{name}"
        nested = isinstance(value, dict) and path not in FREE | WHOLE
        found += leaves(value, f"{path}.") if nested else [path]
    return found


@pytest.mark.parametrize("path", leaves(VALUES))
def test_a_value_is_used(path: str) -> None:
    """By its last two names: templates reach it through `with`, a parameter or the whole path."""
    last = path.rpartition(".")[2]
    texts = [text for name, text in TEMPLATES.items() if name.suffix != ".md"]
    assert any(re.search(rf"\.{re.escape(last)}\b", text) for text in texts)


@pytest.mark.parametrize("path", leaves(VALUES))
def test_a_value_is_described_where_it_stands(path: str) -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    indent, at = 0, 0
    for name in path.split("."):
        pattern = re.compile(rf"^ {{{indent}}}{re.escape(name)}:")
        at = next(number for number in range(at, len(lines)) if pattern.match(lines[number]))
        indent += 2
    assert lines[at - 1].strip().startswith("#"), path


def test_no_value_is_taken_that_is_none() -> None:
    def objects(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False and path not in FREE:
            found.append(path)
        for name, each in schema.get("properties", {}).items():
            found += objects(each, f"{path}.{name}".lstrip("."))
        return found + (objects(schema["items"], f"{path}[]") if "items" in schema else [])

    assert objects(SCHEMA, "") == ["global"]


def test_the_schema_knows_each_value() -> None:
    for path in leaves(VALUES):
        schema = SCHEMA
        for name in path.split("."):
            assert name in schema["properties"], path
            schema = schema["properties"][name]


def test_one_version_everywhere() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VALUES["image"]["tag"] == version("leader-sidecar")


def test_the_notes_are_short() -> None:
    assert len(TEMPLATES[CHART / "templates" / "NOTES.txt"].splitlines()) < 30


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    from sidecar.metrics import Metrics

    known = {sample for family in Metrics().registry.collect() for sample in _names(family)}
    for name in ("dashboard.json", "alerts.yaml"):
        asked = set(re.findall(r"leader_sidecar_\w+", (CHART / "files" / name).read_text()))
        assert asked <= known, asked - known


def _names(family: Any) -> set[str]:
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
    return {family.name + suffix for suffix in suffixes} | {family.name}
