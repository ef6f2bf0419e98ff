"""What this machine and container give: clock, CPU quota, and the ports, which a running sidecar may have already."""

import errno
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from sidecar.check import settings as rules
from sidecar.check.finding import Finding, Id, error
from sidecar.settings import Settings, cpu_quota_cores

_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_PROCESS_ONE = Path("/proc/1/cmdline")
_ANSWER_SECONDS = 2.0
_HERE = "this machine"


def findings(settings: Settings) -> Iterator[Finding]:
    yield from rules.cores(_HERE, cpu_quota_cores())
    yield from rules.clock(_HERE, clock_source(), counts_suspend=hasattr(time, "CLOCK_BOOTTIME"))
    yield from ports({"--listen": settings.listen, "--probe-listen": settings.probe_listen})


def clock_source(file: Path = _CLOCK_SOURCE) -> str | None:
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def first_process(file: Path = _PROCESS_ONE) -> list[str]:
    """The command line of the container's first process: the sidecar itself, where ``check`` is run beside it."""
    try:
        words = file.read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words if word]


def ports(addresses: dict[str, str]) -> Iterator[Finding]:
    """``addresses`` by flag, as ``HOST:PORT``. A port that a sidecar answers on is the running sidecar's."""
    for flag, address in addresses.items():
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if int(port) == 0 or sidecar_answers(host, int(port)):
            continue
        reason = _taken(host, int(port))
        if reason:
            mend = f"find who listens there (ss -lntp), or give another {flag}"
            yield error(Id.PORT_IN_USE, _HERE, f"{flag} {address}: {reason}", mend)


def sidecar_answers(host: str, port: int) -> bool:
    """Whether ``GET /leader`` there is answered as a sidecar does."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/leader", headers={"Host": f"localhost:{port}"})
        body = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(body, dict) and "is_leader" in body


def _reachable(host: str) -> str:
    return "localhost" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 (compared, not bound)


def _taken(host: str, port: int) -> str | None:
    """Why the port cannot be had; None when it can."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as failed:
        return f"no address: {failed.strerror or failed}"
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
        except OSError as failed:
            if family == socket.AF_INET6 and failed.errno not in {errno.EADDRINUSE, errno.EACCES}:
                continue  # no IPv6 here: the sidecar does without, too
            return failed.strerror or str(failed)
    return None
