"""Free ports on loopback."""

import contextlib
import socket


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now. All are held together until the last is found, so that they differ."""
    with contextlib.ExitStack() as held:
        found = []
        for _ in range(count):
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            found.append(int(listener.getsockname()[1]))
        return found
