"""``python -m tests.node [PYTEST ARGUMENTS]``: a fresh node with the image on it, and the tests inside.

With ``bench`` first: the measurements instead, see ``tests/node/bench.py``.

``NODE_IMAGE_ARCHIVE`` names the archive of the sidecar's image (build/leader-sidecar.tar by default, which `make image`
makes). With ``NODE_KEEP`` the node is left running; with ``NODE_MANY`` the lead is moved by the route many times.
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
    image = ROOT / os.environ.get("NODE_IMAGE_ARCHIVE", "build/leader-sidecar.tar")
    keep = "NODE_KEEP" in os.environ
    subprocess.run([sys.executable, "-m", "tests.tools.node", "up"], check=True, cwd=ROOT)
    try:
        etcd = place.folder / "etcd.tar"
        pack(ETCD_IMAGE, etcd_binary("3.6"), etcd, ["/etcd"])
        for archive in (etcd, image):
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
