"""Makes the one-file form of ``exec`` and ``wait``: ``python -m sidecar.workload.exec.pack FILE``.

It runs by any Python from 3.11 on, with nothing installed. The same sources give the same bytes.
"""

import sys
import zipfile
from pathlib import Path

_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = "from sidecar.workload.exec.program import main\n\nmain()\n"
_DATE = (1980, 1, 1, 0, 0, 0)
_NEEDS_MORE = {"own.py", "pack.py"}
"""What belongs to a process that stands for election itself, or only makes the file."""


def pack(target: Path) -> None:
    """Raises ``OSError``."""
    here = Path(__file__).parent
    root = here.parents[2]
    sources = [root / "sidecar/__init__.py", root / "sidecar/errors.py", here.parent / "__init__.py"]
    sources += sorted(each for each in here.glob("*.py") if each.name not in _NEEDS_MORE)
    with target.open("wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for source in sources:
                archive.writestr(_entry(source.relative_to(root).as_posix()), source.read_bytes())
            archive.writestr(_entry("__main__.py"), _MAIN)
    target.chmod(0o755)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sidecar.workload.exec.pack FILE")
    pack(Path(sys.argv[1]))
