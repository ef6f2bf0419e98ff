"""Builds what the tests need in Go: ``python -m tests.tools.build [NAME ...]``, names as in ``catalogue.MODULES``.

Only what is missing is built, and only Go modules are fetched, by Go itself as the user has set it up. A second builder
waits for the first and then finds its work done. Prints what each took.
"""

import argparse
import contextlib
import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.tools.catalogue import MODULES, Module, built_folder, cache_folder, source_folder
from tests.tools.golang import Go, GoMissing, find_go


def build(module: Module) -> bool:
    """Build a module's programs unless they are there. True when there was something to do.

    Raises ``GoMissing`` and ``subprocess.CalledProcessError``.
    """
    target = built_folder(module)
    with _alone(module):
        if target.exists():
            return False
        go = find_go()
        print(f"{module.folder}: building with {go.version} ...", flush=True)
        # beside the target, so that the last step is one rename within a file system
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as partial:
            programs = Path(partial, "programs")
            programs.mkdir()
            _compile(go, module, programs)
            for name, built_as in module.programs.items():
                (programs / built_as).rename(programs / name)
            programs.rename(target)
        return True


def _compile(go: Go, module: Module, programs: Path) -> None:
    flags = f"-s -w {_version_flags(module)}".rstrip()
    subprocess.run(
        [
            go.program,
            "build",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags={flags}",
            f"-tags={module.tags}",
            "-o",
            f"{programs}/",
            module.package,
        ],
        cwd=source_folder(module),
        env=go.environment | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        check=True,
    )


def _version_flags(module: Module) -> str:
    """Linker flags by which Kubernetes' programs know their version; without, they call themselves v0.0.0."""
    if module.stamped is None:
        return ""
    pins = (source_folder(module) / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(module.stamped)} v((\d+)\.(\d+)\S*)", pins, re.MULTILINE)
    if found is None:
        raise ValueError(f"{module.folder}/go.mod does not pin {module.stamped}")
    values = {"gitVersion": f"v{found[1]}", "gitMajor": found[2], "gitMinor": found[3]}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


@contextlib.contextmanager
def _alone(module: Module) -> Iterator[None]:
    """Held by one builder of this module at a time; the kernel frees it when the holder dies."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{module.folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_outdated(module: Module) -> None:
    """Remove builds of other pins than today's: a kube-apiserver alone is 100 MB."""
    for folder in cache_folder().glob(f"{module.folder}-" + "[0-9a-f]" * 16):
        if folder != built_folder(module):
            shutil.rmtree(folder)


def main() -> int:
    usual = [name for name, module in MODULES.items() if not module.asked_for]
    parser = argparse.ArgumentParser(prog="python -m tests.tools.build", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of: {', '.join(MODULES)} (default: {', '.join(usual)})"
    )
    parser.add_argument("--prune", action="store_true", help="also remove builds of earlier pins")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in MODULES]
    if unknown:
        parser.error(f"{unknown[0]}: not one of {', '.join(MODULES)}")
    for name in chosen.names or usual:
        begun = time.monotonic()
        try:
            did_build = build(MODULES[name])
        except (GoMissing, subprocess.CalledProcessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        took = f"built in {time.monotonic() - begun:.0f} s" if did_build else "is there"
        print(f"{name}: {took}: {built_folder(MODULES[name])}", flush=True)
        if chosen.prune:
            remove_outdated(MODULES[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
