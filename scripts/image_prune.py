"""Within the image's build: takes out what the sidecar never imports, compiles the rest, and dates all of it.

Usage: image_prune.py FOLDER, a virtual environment, run by its own Python. ``SOURCE_DATE_EPOCH`` is the date (seconds).
What may go is listed; that nothing of it is missed is shown by tests/image, which runs every command in the image.
"""

import compileall
import os
import py_compile
import re
import shutil
import sys
import sysconfig
from pathlib import Path

UNUSED_DISTRIBUTIONS = {
    # kubernetes.aio's, and the web socket of `exec` and `attach`
    "aiohappyeyeballs", "aiohttp", "aiohttp_retry", "aiosignal", "attr", "attrs", "frozenlist", "multidict",
    "propcache", "websocket", "websocket_client", "yarl",
    # etcd3's blocking client's; of tzdata only dates with a zone's name would ask
    "tenacity", "six", "tzdata",
}  # fmt: skip
KUBERNETES_KEPT = {"__init__.py", "client", "config", "utils", "py.typed"}
CLIENT_KEPT = {
    "__init__.py",
    "api_client.py",
    "api_response.py",
    "configuration.py",
    "exceptions.py",
    "models",
    "rest.py",
}
UNUSED_FOLDERS = ("grpc/_cython/_credentials", "pydantic/v1", "etcd3/etcdrpc/proto")
UNUSED_EVERYWHERE = {"test", "tests", "testing", "__pycache__"}
UNUSED_ENDINGS = ("_test.py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".c")
STANDARD_UNUSED = re.compile(
    r"/(test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip|distutils|pydoc_data|site-packages|dist-packages)/"
)
"""Folders of the base's own library of which no byte code is made."""


def prune(packages: Path) -> None:
    for entry in sorted(packages.iterdir()):
        name = entry.name.removesuffix(".py").removesuffix(".dist-info").partition("-")[0]
        if name in UNUSED_DISTRIBUTIONS:
            remove(entry)
    keep_only(packages / "kubernetes", KUBERNETES_KEPT)
    keep_only(packages / "kubernetes/client", CLIENT_KEPT)
    keep_only(packages / "kubernetes/client/models", {"__init__.py"})
    for folder in UNUSED_FOLDERS:
        remove(packages / folder)
    for found in sorted(packages.rglob("*")):
        if (found.is_dir() and found.name in UNUSED_EVERYWHERE) or found.name.endswith(UNUSED_ENDINGS):
            remove(found)


def keep_only(folder: Path, kept: set[str]) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.name not in kept:
            remove(entry)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def compile_all(root: Path, packages: Path) -> None:
    """Byte code that Python trusts without a look at the source: the image changes as a whole or not at all."""
    sys.pycache_prefix = str(root / "bytecode")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    standard = sysconfig.get_path("stdlib")
    own = compileall.compile_dir(packages, quiet=1, invalidation_mode=unchecked, maxlevels=30)
    base = compileall.compile_dir(standard, quiet=2, invalidation_mode=unchecked, maxlevels=30, rx=STANDARD_UNUSED)
    if not (own and base):
        raise SystemExit("image_prune: the modules named above do not compile")


def date_all(root: Path, seconds: int) -> None:
    for path in (root, *root.rglob("*")):
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def main() -> None:
    root = Path(sys.argv[1])
    packages = Path(sysconfig.get_path("purelib"))
    if root not in packages.parents:
        raise SystemExit(f"image_prune: {packages} is not within {root}: run it with the environment's own Python")
    prune(packages)
    for program in sorted(root.joinpath("bin").iterdir()):
        if program.name != "leader-sidecar" and not program.name.startswith("python"):
            remove(program)
    compile_all(root, packages)
    date_all(root, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))


if __name__ == "__main__":
    main()
