"""Free ports on loopback."""

import contextlib
import random
import socket
from itertools import islice

_BELOW_THE_KERNELS = range(15_000, 32_000)
"""Ports from 32768 on go to outgoing connections, one of which may take a port before the program that is to listen."""


_left = iter(random.sample(_BELOW_THE_KERNELS, len(_BELOW_THE_KERNELS)))


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; none is given twice."""
    return list(islice(filter(_is_free, _left), count))


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False
