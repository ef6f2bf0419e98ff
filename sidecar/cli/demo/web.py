"""As much of an HTTP client as the demo needs. It speaks HTTP/1.0, so that every answer ends with its connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is the JSON document, empty where the body is none."""

    status: int
    body: dict[str, Any]


async def request(port: int, method: str, path: str, timeout_seconds: float = _PATIENCE_SECONDS) -> Answer:
    """One request to loopback. Raises ``OSError`` when there is no whole answer in time."""
    async with asyncio.timeout(timeout_seconds):
        reader, writer = await _send(port, method, path)
        try:
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"no HTTP answer from port {port}")
    return Answer(int(words[1]), _document(body))


async def events(port: int, path: str) -> AsyncIterator[dict[str, Any]]:
    """The data of server-sent events, until the stream ends. Raises ``OSError`` when it cannot be opened."""
    reader, writer = await _send(port, "GET", path)
    try:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                yield _document(line.removeprefix(b"data:"))
    finally:
        writer.close()


async def _send(port: int, method: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    return reader, writer


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
