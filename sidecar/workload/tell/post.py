"""One POST to a program in this pod: no redirects, no proxies, no connection that is used again."""

import asyncio
import errno
from urllib.parse import urlsplit

import h11

from sidecar.errors import SidecarError

MOST_BYTES = 65_536
"""Of an answer's body, which nobody reads."""
MOST_SAID = 200
"""Characters of what is wrong with an answer: it may repeat that."""
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH}
"""A machine without IPv6, or without IPv4, on its loopback."""


class HookError(SidecarError):
    """The hook was not answered as it should be. Whether the request took effect is unknown."""


class NobodyListens(HookError):
    """Nothing was sent: no program has the port."""


class Hook:
    """``url`` as ``--on-elected`` takes it; ``localhost`` is both loopback addresses, whatever the resolver says."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self.url, self.port = url, parts.port or 80
        self.addresses = ("127.0.0.1", "::1") if host == "localhost" else (host,)
        self.host_header = parts.netloc
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def post(hook: Hook, body: bytes) -> None:
    """Return when it was answered with 2xx, to the last byte. Raises ``HookError``; bound it from outside."""
    reader, writer = await _connect(hook)
    try:
        connection = h11.Connection(h11.CLIENT)
        writer.write(_request(connection, hook, body))
        await writer.drain()
        status = await _status(connection, reader)
    except (OSError, h11.RemoteProtocolError) as error:
        raise HookError(f"{hook.url} gave no answer: {str(error)[:MOST_SAID]}") from error
    finally:
        writer.transport.abort()
    if 300 <= status < 400:
        raise HookError(f"{hook.url} answered {status}: redirects are not followed")
    if not 200 <= status < 300:
        raise HookError(f"{hook.url} answered {status}")


async def _connect(hook: Hook) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    refused: OSError | None = None
    other: OSError | None = None
    for address in hook.addresses:
        try:
            return await asyncio.open_connection(address, hook.port)
        except ConnectionRefusedError as error:
            refused = error
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS or len(hook.addresses) == 1:
                other = error
    if other is not None:
        raise HookError(f"{hook.url} cannot be reached: {other}") from other
    raise NobodyListens(f"{hook.url}: nobody listens there") from refused


def _request(connection: h11.Connection, hook: Hook, body: bytes) -> bytes:
    headers = [
        ("Host", hook.host_header),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    events = (h11.Request(method="POST", target=hook.target, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _status(connection: h11.Connection, reader: asyncio.StreamReader) -> int:
    status, received = 0, 0
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(MOST_BYTES))
            case h11.Response(status_code=code):
                status = code
            case h11.Data(data=data):
                received += len(data)
                if received > MOST_BYTES:
                    raise h11.RemoteProtocolError(f"more than {MOST_BYTES} bytes")
            case h11.EndOfMessage():
                return status
            case h11.ConnectionClosed():
                raise h11.RemoteProtocolError("the connection was closed")
            case _:
                continue  # an interim response
