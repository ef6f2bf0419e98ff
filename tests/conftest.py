"""What several kinds of tests share."""

from collections.abc import Iterator

import pytest

from tests.support.controlplane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def real_control_plane() -> Iterator[ControlPlane]:
    """One real Kubernetes API for the whole run: give each test a namespace of its own. For tests marked ``tools``."""
    with control_plane() as running:
        yield running
