"""How each example is run, and what it needs."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.golang import GoMissing, find_go

TICK = Path(__file__).parents[2] / "deploy/examples/tick"


@dataclass(frozen=True, slots=True)
class Language:
    """``file`` is run by ``runner``; where there is none, Go builds it first. SIGTERM ends it with ``exit_code``."""

    file: str
    needs: tuple[str, ...]
    runner: tuple[str, ...] = ()
    exit_code: int = 0


LANGUAGES = {
    "bash": Language("tick.sh", ("bash", "curl"), ("bash",)),
    "python": Language("tick.py", (), (sys.executable, "-I", "-S")),
    "node": Language("tick.mjs", ("node",), ("node",)),
    "go": Language("tick.go", ()),
    "java": Language("Tick.java", ("java", "javac"), ("java",), 128 + signal.SIGTERM),
}


def command(language: Language, folder: Path) -> Sequence[str | Path]:
    """What runs it; Go's program goes into ``folder``. A missing program skips the test, and fails it in CI."""
    missing = [program for program in language.needs if shutil.which(program) is None]
    if missing:
        _do_without(" and ".join(missing))
    if language.runner:
        return [*language.runner, TICK / language.file]
    return [build(TICK / language.file, folder)]


def build(source: Path, folder: Path) -> Path:
    program = folder / source.stem
    if not program.exists():
        try:
            go = find_go()
        except GoMissing as missing:
            _do_without(str(missing))
        environment = go.environment | {"CGO_ENABLED": "0"}
        subprocess.run([go.program, "build", "-o", program, source], env=environment, check=True)
    return program


def _do_without(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI runs every example, and this machine has no {what}")
    pytest.skip(f"needs {what}")
