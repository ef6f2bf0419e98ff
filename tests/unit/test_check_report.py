"""How findings are told, what the exit code is, and that docs/check.md has a heading for each."""

import json
import re
from pathlib import Path

import pytest

from sidecar.check.finding import PAGE, Finding, Id, Severity, error, note, warning
from sidecar.check.report import Report, as_json, as_text
from sidecar.cli.main import main

ROOT = Path(__file__).parents[2]

ONE_OF_EACH = (
    note(Id.SHARED_ELECTION, "Deployment a", "says something", "do a thing"),
    error(Id.PORT_CLASH, "Deployment b", "is wrong", "mend it"),
    warning(Id.CPU_LIMIT, "Deployment c", "is doubtful", "think"),
)


@pytest.mark.parametrize(
    ("findings", "code"), [((), 0), (ONE_OF_EACH[::2], 0), (ONE_OF_EACH, 78), ((ONE_OF_EACH[1],), 78)]
)
def test_only_errors_make_it_fail(findings: tuple[Finding, ...], code: int) -> None:
    assert Report(findings, ("x",)).exit_code == code


def test_the_text_has_the_worst_first_and_counts() -> None:
    text = as_text(Report(ONE_OF_EACH, ("settings", "etcd"), ("Kubernetes: no cluster",)))
    lines = text.splitlines()
    assert lines[:4] == [
        "error  port-clash  Deployment b",
        "  is wrong",
        "  mend: mend it",
        "  see:  docs/check.md#port-clash",
    ]
    assert text.index("port-clash") < text.index("cpu-limit") < text.index("shared-election")
    assert "not checked: Kubernetes: no cluster" in lines
    assert lines[-2:] == ["checked: settings, etcd", "1 error, 1 warning, 1 note"]


def test_the_json_has_every_part_of_a_finding() -> None:
    told = json.loads(as_json(Report(ONE_OF_EACH, ("settings",), ("etcd: away",))))
    assert told["findings"][0] == {
        "id": "port-clash",
        "severity": "error",
        "where": "Deployment b",
        "what": "is wrong",
        "mend": "mend it",
        "link": "docs/check.md#port-clash",
    }
    assert {key: told[key] for key in ("errors", "warnings", "notes", "checked", "skipped")} == {
        "errors": 1,
        "warnings": 1,
        "notes": 1,
        "checked": ["settings"],
        "skipped": ["etcd: away"],
    }


def test_the_page_has_a_heading_for_every_finding_and_no_other() -> None:
    headings = re.findall(r"^### (\S+)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(Id)


def test_severities_go_from_worst_to_least() -> None:
    assert list(Severity) == [Severity.ERROR, Severity.WARNING, Severity.NOTE]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--offline"], "-f FILE"),
        (["-f", "x"], "--offline"),
        (["--offline", "-f", "x", "--ttl=3"], "--ttl"),
        (["--offline", "-f", "x", "--output=xml"], "--output"),
    ],
)
def test_wrong_usage_is_64(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert ended.value.code == 64
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "{", "a: b: c", "\x00", "- !!python/object:os.system {}", "[" * 5000])
def test_a_file_that_is_none_or_no_yaml_is_66(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["check", "--offline", "-f", str(file)])
    assert ended.value.code == 66
    assert str(file) in capsys.readouterr().err


def test_files_and_standard_input_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    pod = "kind: Pod\nmetadata: {name: NAME}\nspec: {hostNetwork: true, containers: [{name: leader-sidecar}]}\n"
    file = tmp_path / "m.yaml"
    file.write_text("---\n" + pod.replace("NAME", "a"))
    monkeypatch.setattr("sys.stdin", io.StringIO(pod.replace("NAME", "b")))
    with pytest.raises(SystemExit) as ended:
        main(["check", "--offline", "-f", str(file), "-f", "-", "--output", "json"])
    assert ended.value.code == 78
    told = json.loads(capsys.readouterr().out)
    assert told["checked"] == ["Pod a", "Pod b"]
    assert "host-network" in {finding["id"] for finding in told["findings"]}
