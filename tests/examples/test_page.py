"""What docs/workloads.md has readers copy works as written."""

import re
import shutil
from pathlib import Path

import pytest

from tests.examples.pods import wait_until
from tests.support.children import Child
from tests.support.commanded import ROOT, FakeSidecar

PAGE = (ROOT / "docs/workloads.md").read_text()


@pytest.mark.skipif(not all(map(shutil.which, ("sh", "curl"))), reason="needs sh and curl")
def test_the_line_of_shell_waits_until_the_pod_leads(tmp_path: Path) -> None:
    (line,) = re.findall(r"^until curl .*$", PAGE, re.MULTILINE)
    with (
        FakeSidecar() as sidecar,
        Child("wait", ["sh", "-c", line.replace("localhost:4040", sidecar.address)], tmp_path / "wait.log") as waiting,
    ):
        wait_until("it has asked twice", lambda: sidecar.asked >= 2)
        assert waiting.alive
        sidecar.lead(7)
        assert waiting.wait() == 0
