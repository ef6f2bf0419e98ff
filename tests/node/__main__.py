"""``python -m tests.node [PYTEST ARGUMENTS]``: a fresh node with the image on it, and the tests inside.

With ``bench`` first: the measurements instead, see ``tests/node/bench.py``.

``NODE_IMAGES`` names archives, separated by commas: the sidecar's image and its base (build/leader-sidecar.tar and
build/base.tar by default, made by `make image` and scripts/image-base).
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.node.group import ETCD_IMAGE
from tests.support.tools import etcd_binary
from tests.tools.node import cluster
from tests.tools.node.images import pack
from tests.tools.node.place import usual_place

ROOT = Path(__file__).parents[2]


def main() -> int:
    place = usual_place()
    archives = os.environ.get("NODE_IMAGES", "build/base.tar,build/leader-sidecar.tar").split(",")
    keep = "NODE_KEEP" in os.environ
    subprocess.run([sys.executable, "-m", "tests.tools.node", "up"], check=True, cwd=ROOT)
    try:
        etcd = place.folder / "etcd.tar"
        pack(ETCD_IMAGE, etcd_binary("3.6"), etcd, ["/etcd"])
        for archive in (etcd, *(ROOT / name for name in archives)):
            cluster.load(place, archive)
        tests = ["pytest", "-p", "no:cacheprovider", "-rP", "tests/node", *sys.argv[1:]]
        bench = ["tests.node.bench", *sys.argv[2:]]
        inside = [sys.executable, "-m", *(bench if sys.argv[1:2] == ["bench"] else tests)]
        return cluster.run(place, inside, cwd=ROOT).returncode
    finally:
        if not keep:
            cluster.down(place)


if __name__ == "__main__":
    sys.exit(main())
