"""``python -m tests.tools.node``: see the package."""

import argparse
import sys
from pathlib import Path

from tests.tools import build
from tests.tools.catalogue import MODULES
from tests.tools.node import cluster, first
from tests.tools.node.place import Place, usual_place


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.node")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build what is missing: ten minutes on two free cores")
    verbs.add_parser("up", help="start a fresh cluster and wait for it; one that is up stays")
    verbs.add_parser("run", help="run a command inside").add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("load", help="give it images").add_argument("archive", nargs="+", type=Path)
    verbs.add_parser("down", help="end it and remove its state")
    verbs.add_parser("first").add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.verb == "first":
        first.run(Place(asked.folder))
    place = usual_place()
    if asked.verb in {"build", "up"}:
        for name in ("etcd-3.6", "kubernetes", *(name for name in MODULES if name.startswith("node-"))):
            build.build(MODULES[name])
    if asked.verb == "up":
        cluster.up(place)
    elif asked.verb == "run":
        return cluster.run(place, asked.command).returncode
    elif asked.verb == "load":
        for archive in asked.archive:
            cluster.load(place, archive)
    elif asked.verb == "down":
        cluster.down(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
