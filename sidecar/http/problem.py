"""Errors as RFC 9457 problem documents."""

import json
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from sidecar.errors import CannotTransfer, EtcdError, NotLeading, TooManyHolds, UnknownCandidate

MEDIA_TYPE = "application/problem+json"


def problem_document(status: int, detail: str) -> bytes:
    """``type`` is about:blank, so ``title`` is the status's own phrase (RFC 9457, 4.2.1)."""
    title = HTTPStatus(status).phrase
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return Response(problem_document(status, detail), status, headers, MEDIA_TYPE)


def describe_errors(app: FastAPI) -> None:
    """Make every error that a handler or the router raises a problem document."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(NotLeading, _not_leading)
    app.add_exception_handler(TooManyHolds, _too_many_holds)
    app.add_exception_handler(UnknownCandidate, _unknown_candidate)
    app.add_exception_handler(CannotTransfer, _cannot_transfer)
    app.add_exception_handler(EtcdError, _etcd_failed)
    app.add_exception_handler(Exception, _failed)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette dispatches by type, which its signature cannot say
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        detail = f"{request.method} is not possible here, only {allowed}"
        return problem(error.status_code, detail, {"Allow": allowed})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(error.status_code, f"there is nothing at {request.scope['path']}")
    return problem(error.status_code, error.detail, dict(error.headers or {}))


def _methods(request: Request) -> list[str]:
    """What the path can be asked with. The router names only its first route's methods; HEAD has a route of its own."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    return sorted(methods)


async def _bad_query(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(f"{wrong['loc'][-1]}: {wrong['msg']}" for wrong in error.errors())
    )


async def _not_leading(_: Request, __: Exception) -> Response:
    return problem(HTTPStatus.CONFLICT, "this pod does not lead")


async def _too_many_holds(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.TOO_MANY_REQUESTS, str(error))


async def _unknown_candidate(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.NOT_FOUND, str(error))


async def _cannot_transfer(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.CONFLICT, str(error))


async def _etcd_failed(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"etcd: {error}")


async def _failed(_: Request, __: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the sidecar; its log says more")
