"""What stands before the routes: who may ask on the workload's listener, and headers that every answer bears."""

import ipaddress
from collections.abc import Iterator
from email.utils import formatdate
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.http.problem import problem


class Unstored:
    """``no-store`` and a date on every answer (the server's own date needs a wake-up a second)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = "no-store"
                headers["Date"] = formatdate(usegmt=True)
            await send(message)

        await self._app(scope, receive, send_marked)


class LocalOnly:
    """Turns away what a web page of elsewhere makes a browser in this pod or behind a port-forward ask.

    A Host that is not local (DNS rebinding) gets 421, a foreign Origin 403.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["server"][0] if scope.get("server") else None
        hosts = list(_values(scope, b"host"))
        # Only HTTP/1.0 gets here without a Host: the parser refuses a later request that has none.
        if not all(_is_local(host, own) for host in hosts):
            refusal = problem(421, "this listener serves its own pod: ask for localhost")
            await refusal(scope, receive, send)
        elif not all(_is_local(_authority(origin), own) for origin in _values(scope, b"origin")):
            refusal = problem(403, "this listener serves its own pod: no page of another origin may ask it")
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _values(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_local(authority: str, own: str | None) -> bool:
    """``own`` is the address this connection came in on: what was given to ``--listen`` is local, too."""
    try:
        parts = urlsplit(f"//{authority}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if host is None or parts.netloc != authority or parts.username is not None:
        return False
    if host == "localhost" or host == own:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback
