"""What ``--health-check`` may name: something of this pod's own, asked by HTTP or by TCP alone."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACKS = ("127.0.0.1", "::1")
_MEND = "write http://localhost:PORT/PATH or tcp://localhost:PORT"


@dataclass(frozen=True, slots=True)
class Target:
    """``hosts`` are addresses to be tried one after the other. ``path`` is None where connecting is all that is asked.

    ``authority`` is host and port as given.
    """

    hosts: tuple[str, ...]
    port: int
    path: str | None
    authority: str


def parse_target(given: str) -> Target:
    """Raises ``ValueError`` with the mend."""
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_MEND) from None
    if parts.scheme not in {"http", "tcp"} or not host or not port or "@" in parts.netloc or parts.fragment:
        raise ValueError(_MEND)
    if not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError("use printable ASCII characters without spaces, others percent-encoded")
    if parts.scheme == "tcp" and (parts.path or parts.query):
        raise ValueError("leave the path out, or write http://: by TCP only the port is asked")
    path = None if parts.scheme == "tcp" else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(_hosts(host), port, path, parts.netloc)


def is_own_address(host: str) -> bool:
    """Whether an IP address is one of this machine's, which in a pod means the pod's: a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _hosts(host: str) -> tuple[str, ...]:
    if host == "localhost":
        return LOOPBACKS
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        raise ValueError(f"{_MEND}: the workload is in this pod, so other names have no meaning here") from None
