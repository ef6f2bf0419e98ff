"""Many thousand warnings are what a simulation of trouble is made of; nobody reads them, and keeping them is slow."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
