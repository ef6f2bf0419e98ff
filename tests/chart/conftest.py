"""One control plane for these tests, with controllers and fake kubelets; each module installs what it needs."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import cluster
from tests.support.controlplane import ControlPlane
from tests.support.installed import Installed, install


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def chart(plane: ControlPlane) -> Iterator[Installed]:
    """The chart's scenario ``injection``, in force: its policies deny, and labelled pods get their sidecar."""
    with install(plane) as installed:
        yield installed
