"""How each example is run, and what it needs."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.tools.golang import GoMissing, find_go

TICK = Path(__file__).parents[2] / "deploy/examples/tick"


@dataclass(frozen=True, slots=True)
class Language:
    """``command`` runs the example, with ``{file}`` and ``{built}``; SIGTERM ends it with ``exit_code``."""

    file: str
    needs: tuple[str, ...]
    command: tuple[str, ...]
    exit_code: int = 0


LANGUAGES = {
    "bash": Language("tick.sh", ("bash", "curl"), ("bash", "{file}")),
    "python": Language("tick.py", (), (sys.executable, "-I", "-S", "{file}")),
    "node": Language("tick.mjs", ("node",), ("node", "{file}")),
    "go": Language("tick.go", (), ("{built}/tick",)),
    "java": Language("Tick.java", ("java", "javac"), ("java", "-cp", "{built}", "Tick"), 128 + signal.SIGTERM),
}


def command(language: Language, built: Path) -> list[str]:
    """What runs it; what has to be built goes into ``built``. A missing program skips the test, in CI it fails it."""
    missing = [program for program in language.needs if shutil.which(program) is None]
    if missing:
        _do_without(" and ".join(missing))
    source = TICK / language.file
    if source.suffix == ".go" and not (built / "tick").exists():
        _build_go(source, built / "tick")
    if source.suffix == ".java" and not (built / "Tick.class").exists():
        subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", built, source], check=True)
    return [part.format(file=source, built=built) for part in language.command]


def _build_go(source: Path, program: Path) -> None:
    try:
        go = find_go()
    except GoMissing as missing:
        _do_without(str(missing))
    environment = go.environment | {"CGO_ENABLED": "0"}
    subprocess.run([go.program, "build", "-o", program, source], env=environment, check=True)


def _do_without(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI runs every example, and this machine has no {what}")
    pytest.skip(f"needs {what}")
