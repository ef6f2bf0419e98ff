"""Collected only within a node: ``make test-node`` starts one and runs these tests inside."""

import os
from collections.abc import Iterator

import pytest

from tests.node import group
from tests.node.client import Client

collect_ignore_glob = [] if "NODE_ADDRESS" in os.environ else ["test_node_*.py"]


@pytest.fixture(scope="session")
def installed() -> None:
    """etcd and the chart."""
    group.install()


@pytest.fixture(scope="session")
def address(installed: None) -> str:
    """The leader's Service, once everything is installed."""
    group.start()
    return group.service_address()


@pytest.fixture
def leader(address: str) -> str:
    """The leader of a group that is whole."""
    return group.wait_until_whole()


@pytest.fixture
def client(address: str, leader: str) -> Iterator[Client]:
    """Asks while the test runs."""
    with Client(address, every_seconds=0.01).asking() as asking:
        yield asking
