"""Reading what a request carries."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from sidecar.election.state import MOST_VALUE_BYTES

MOST_BODY_BYTES = MOST_VALUE_BYTES
"""Of bodies, values are what may be the largest."""
BODY_SECONDS = 5.0


async def read_body(request: Request) -> bytes:
    """Raises ``HTTPException``: 400 it ended early, 408 not there in time, 413 too large."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time") from error
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ended early") from error


async def read_json(request: Request) -> Any:
    """The body's JSON; None for an empty body, whatever its type.

    Raises ``HTTPException`` as ``read_body``, and 400 no JSON, 415 another type.
    """
    body = await read_body(request)
    if not body:
        return None
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body must be application/json")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error


async def _read(request: Request) -> bytes:
    """Counts what arrives, for a chunked body announces no length."""
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if int(declared) <= MOST_BODY_BYTES:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BODY_BYTES:
                break
        else:
            return bytes(body)
    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MOST_BODY_BYTES} bytes")
