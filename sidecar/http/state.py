"""``/state/{key}``: values that the leader writes and every pod reads. Their bytes are the workload's own affair."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sidecar.election.state import ABSENT, KEY_PATTERN
from sidecar.errors import NoSpace, NotLeading, ValueChanged
from sidecar.http.condition import etag, shows_current, wanted_revision
from sidecar.http.port import Election
from sidecar.http.request import read_body
from sidecar.http.state_schema import VALUE_TYPE

Key = Annotated[str, Path(pattern=KEY_PATTERN)]


async def read_value(election: Election, key: str, request: Request) -> Response:
    value = await election.state.read(key)
    if value is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    # a browser is not to make a page of what stands there
    headers = {"ETag": etag(value.revision), "X-Content-Type-Options": "nosniff"}
    if shows_current(request.headers.getlist("if-none-match"), value.revision):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(value.content, headers=headers, media_type=VALUE_TYPE)


async def put_value(election: Election, key: str, request: Request) -> Response:
    wanted = _wanted(request, may_create=True)
    _refuse_unless_leading(election)
    revision = await _write(election, key, await read_body(request), wanted)
    status = HTTPStatus.CREATED if wanted == ABSENT else HTTPStatus.NO_CONTENT
    return Response(status_code=status, headers={"ETag": etag(revision)})


async def delete_value(election: Election, key: str, request: Request) -> Response:
    await _write(election, key, None, _wanted(request, may_create=False))
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _wanted(request: Request, *, may_create: bool) -> int:
    lines = request.headers.getlist
    return wanted_revision(lines("if-match"), lines("if-none-match"), may_create=may_create)


def _refuse_unless_leading(election: Election) -> None:
    """Before the body is asked for; when it is there, the writer looks again."""
    if not election.view().is_leader:
        raise NotLeading


async def _write(election: Election, key: str, content: bytes | None, revision: int) -> int:
    try:
        return await election.state.write(key, content, revision=revision)
    except ValueChanged as error:
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED, str(error)) from error
    except NoSpace as error:
        raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, f"etcd: {error}") from error
