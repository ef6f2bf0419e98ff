"""What several kinds of tests share."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.controlplane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def real_control_plane() -> Iterator[ControlPlane]:
    """One real Kubernetes API for the whole run: give each test a namespace of its own. For tests marked ``tools``."""
    with control_plane() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _no_stray_event_loop() -> None:
    """looptime asks for an event loop before synchronous tests, too: asyncio would make one that nobody closes."""
    asyncio.set_event_loop(None)
