"""One question to the workload, as kubelet puts it (``pkg/probe/http``, ``pkg/probe/tcp``): HTTP below 400, or TCP."""

import asyncio
from http import HTTPStatus

from sidecar.settings.health import Target

_MOST_HEAD_BYTES = 64 * 1024


async def ask(target: Target, timeout_seconds: float) -> str | None:
    """What is wrong with the workload, None when it answers as it should. A redirect is an answer, and not followed."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _ask(target)
    except TimeoutError:
        return f"no answer within {timeout_seconds:g} s"
    except OSError as error:
        return (error.strerror or str(error) or type(error).__name__).lower()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return "the answer is not HTTP"


async def _ask(target: Target) -> str | None:
    reader, writer = await _connect(target)
    try:
        if target.path is None:
            return None
        writer.write(_request(target.path, target.authority))
        await writer.drain()
        status = _status(await reader.readuntil(b"\r\n\r\n"))
        return None if HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST else f"it answers {status}"
    finally:
        # an orderly close would be waited for, and nothing more is to be said
        writer.transport.abort()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    *others, last = target.hosts
    for host in others:
        try:
            return await asyncio.open_connection(host, target.port, limit=_MOST_HEAD_BYTES)
        except OSError:
            continue
    return await asyncio.open_connection(last, target.port, limit=_MOST_HEAD_BYTES)


def _request(path: str, authority: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {authority}",
        "User-Agent: leader-sidecar",
        "Accept: */*",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(head: bytes) -> int:
    """Raises ``ValueError``."""
    version, _, rest = head.split(b"\r\n", 1)[0].partition(b" ")
    if not version.startswith(b"HTTP/"):
        raise ValueError("not HTTP")
    return int(rest[:3])
