"""``leader-sidecar inject``, as it is typed."""

import sys
from pathlib import Path

import pytest

from sidecar.cli.main import main
from tests.unit.test_inject_manifest import DEPLOYMENT


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["inject", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(DEPLOYMENT)
    return path


def test_it_writes_to_standard_output(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-f", str(manifest), "--etcd-endpoints=http://a:1,http://b:2", "--ttl=15", "--image=x:2") == 0
    written = capsys.readouterr().out
    assert "value: http://a:1,http://b:2" in written
    assert "value: '15'" in written
    assert "image: x:2" in written


def test_it_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(DEPLOYMENT))
    assert run("-f", "-", "--etcd-endpoints=http://a:1") == 0
    assert "initContainers" in capsys.readouterr().out


def test_it_says_when_there_was_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("kind: Service\n")
    assert run("-f", str(path)) == 0
    captured = capsys.readouterr()
    assert captured.out == "kind: Service\n"
    assert "nothing asks for a sidecar" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-f", "nowhere.yaml"], 66, "no such file"),
        ([], 64, "--filename"),
        (["-f", "{}", "--etcd-endpoints=etcd"], 78, "--etcd-endpoints"),
        (["-f", "{}", "--ttl=x"], 78, "--ttl"),
        (["-f", "{}"], 78, "etcd"),
        (["-f", "{}", "--etcd-endpoints=http://a:1", "--requests=cpu"], 64, "cpu=QUANTITY"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_code(
    manifest: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(*(argument.replace("{}", str(manifest)) for argument in arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1


def test_the_yaml_library_is_not_loaded_by_a_sidecar_that_runs() -> None:
    import subprocess

    code = (
        "import sys, sidecar.cli.main, sidecar.cli.run, sidecar.service; sys.exit('ruamel' in str(list(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
