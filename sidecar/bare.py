"""Import a part of a package without what its ``__init__`` would bring along: memory of every sidecar, never used.

Measured: ``kubernetes`` brings requests, oauthlib and a web socket client (6 MiB).
"""

import importlib.util
import sys


def without_init(package: str) -> None:
    """Let modules of ``package`` be imported from now on without running its ``__init__``, unless that has run already.

    Raises ``ImportError`` when there is no such package.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(f"no package {package}")
    sys.modules[package] = importlib.util.module_from_spec(spec)
