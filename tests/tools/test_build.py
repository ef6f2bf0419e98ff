"""The builder's own promises, without building anything."""

from pathlib import Path

import pytest

from tests.support.tools import ToolMissing, etcd_binary
from tests.tools import catalogue
from tests.tools.catalogue import MODULES, built_folder, digest
from tests.tools.golang import parse_version


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("go version devel +abc", None),
        ("", None),
    ],
)
def test_a_go_is_judged_by_what_it_says_of_itself(answer: str, version: tuple[int, int] | None) -> None:
    assert parse_version(answer) == version


def test_a_new_pin_or_source_is_a_new_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = MODULES["interop"]
    folder = tmp_path / module.folder
    folder.mkdir()
    monkeypatch.setattr(catalogue, "HERE", tmp_path)
    digests = []
    for name, text in (("go.mod", "v1"), ("go.mod", "v2"), ("go.sum", "a"), ("main.go", "b"), ("notes.md", "c")):
        (folder / name).write_text(text)
        digests.append(digest(module))
    assert len(set(digests)) == 4
    assert digests[-1] == digests[-2], "a file that Go does not read changes nothing"


def test_a_program_that_is_not_built_is_asked_for_by_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADER_SIDECAR_TOOLS", str(tmp_path))
    with pytest.raises(ToolMissing, match="run `make tools`"):
        etcd_binary("3.6")


def test_builds_are_kept_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADER_SIDECAR_TOOLS", str(tmp_path))
    assert built_folder(MODULES["interop"]).parent == tmp_path
    monkeypatch.delenv("LEADER_SIDECAR_TOOLS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert built_folder(MODULES["interop"]).parent == tmp_path / "cache" / "leader-sidecar-tools"


@pytest.mark.parametrize("folder", sorted(MODULES))
def test_nothing_but_versions_is_pinned(folder: str) -> None:
    """No host of a module proxy: Go fetches as the user has set it up."""
    text = (catalogue.source_folder(MODULES[folder]) / "go.mod").read_text()
    assert text.startswith(f"module leader-sidecar/tests/tools/{folder}\n")
    assert "://" not in text
