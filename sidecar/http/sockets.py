"""Listening sockets, bound by us: a port in use is a setting to mend, found before anything else has started."""

import errno
import socket

from sidecar.errors import ExitCode, SettingError
from sidecar.http.address import EVERY, LOOPBACK, Address

BACKLOG = 128
"""Also the most that asyncio accepts in one go, before any cap on connections can act."""

SEND_BUFFER_BYTES = 64 * 1024
"""Kernel memory of a reader that never reads counts against the container's limit; left alone it grows to megabytes."""

_FREE_PORT_ATTEMPTS = 20
_FAMILY_ABSENT = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def open_sockets(address: Address) -> list[socket.socket]:
    """Bound and listening, one socket or one per family. Raises ``SettingError`` (exit code 71)."""
    for attempt in range(_FREE_PORT_ATTEMPTS):
        try:
            return _open(address)
        except OSError as error:
            free_port_was_taken = address.port == 0 and error.errno == errno.EADDRINUSE
            if not free_port_was_taken or attempt == _FREE_PORT_ATTEMPTS - 1:
                raise SettingError(
                    address.flag, address.text, _mend(address, error), exit_code=ExitCode.OS_ERROR
                ) from error
    raise AssertionError("the last attempt returns or raises")


def _open(address: Address) -> list[socket.socket]:
    if address.host == LOOPBACK:
        return _open_loopback(address.port)
    if address.host == EVERY:
        return [_open_every(address.port)]
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return [_listen(family, address.host, address.port)]


def _open_loopback(port: int) -> list[socket.socket]:
    """127.0.0.1 and ::1 on one port; one of them where the machine has no other."""
    opened: list[socket.socket] = []
    absent: OSError | None = None
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            opened.append(_listen(family, host, opened[0].getsockname()[1] if opened else port))
        except OSError as error:
            if error.errno not in _FAMILY_ABSENT:
                for sock in opened:
                    sock.close()
                raise
            absent = error
    if absent is not None and not opened:
        raise absent
    return opened


def _open_every(port: int) -> socket.socket:
    try:
        return _listen(socket.AF_INET6, "::", port)
    except OSError as error:
        if error.errno not in _FAMILY_ABSENT:
            raise
        return _listen(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - the pod's listener is for every address


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # asyncio turns Nagle off only where the socket says that it is TCP; else each kept-open request takes 40 ms
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
        sock.bind(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)[0][4])
        # Two sockets with SO_REUSEADDR may both bind; only listening tells that the port is taken.
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _mend(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {address.port} is in use: stop what listens there or give another port"
        case errno.EACCES:
            return f"no right to listen on port {address.port}: give one from 1024 on"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address: give one of its own"
        case _:
            return f"cannot listen there ({error.strerror or error})"
