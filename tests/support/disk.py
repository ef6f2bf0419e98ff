"""A disk of its own for one etcd member, which can stop: writes hang, and nothing else does (``fsfreeze``).

For root, where loop devices may be mounted. A frozen file system hangs whoever writes to it, so a guard process thaws
and unmounts it even when the tests are killed.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE_MIB = 256
_GUARD = 'read -r _; fsfreeze --unfreeze "$1"; umount --lazy "$1"'
"""It reads until its standard input ends: when it is told to, or when its parent is gone."""


class DiskUnavailable(Exception):
    """Why this machine gives no disk of our own."""


class Disk:
    """Mounted at ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every write hangs meanwhile; what is in the page cache can still be read."""
        _run("fsfreeze", "--freeze", self.folder)
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", self.folder)


@contextmanager
def mounted_disk(image: Path, folder: Path) -> Iterator[Disk]:
    """A new file system in the file ``image``, mounted at ``folder``. Raises ``DiskUnavailable``."""
    programs = ("mkfs.ext4", "mount", "umount", "fsfreeze")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise DiskUnavailable(f"there is no {', '.join(missing)}")
    if os.geteuid() != 0:
        raise DiskUnavailable("only root may mount a file system")
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(_SIZE_MIB * 1024 * 1024)
    folder.mkdir(parents=True)
    try:
        _run("mkfs.ext4", "-q", image)
        _run("mount", "-o", "loop", image, folder)
    except subprocess.CalledProcessError as error:
        raise DiskUnavailable(f"a file system cannot be mounted here: {error.stderr.strip()}") from error
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, "guard", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the tests is not for it
    )
    try:
        yield Disk(folder)
    finally:
        guard.communicate(timeout=30)
        image.unlink()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
