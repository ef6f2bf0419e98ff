"""``python -m tests.bench`` runs through, as ``make bench`` calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = ["--rounds=4", "--crashes=1", "--starts=1", "--idle-seconds=2", "--commands=1", "--holds=2"]


@pytest.mark.slow
@pytest.mark.tools
@pytest.mark.timeout(300)
def test_every_part_reports_in_words_and_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *QUICK, f"--json={file}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())
    assert results["handover"]["from_post"]["count"] == 4
    assert {(each["role"], each["labels"]) for each in results["idle"]} == {
        ("leader", False),
        ("waiter", False),
        ("leader", True),
        ("waiter", True),
    }
    for part in (
        "clean handover",
        "crash",
        "start to first",
        "idle sidecar",
        "import",
        "command of exec",
        "with a hold",
    ):
        assert part in done.stdout
