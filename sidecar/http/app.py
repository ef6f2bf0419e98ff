"""The two applications: everything for the workload, and the little that kubelet and Prometheus need for the pod."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from prometheus_client.exposition import choose_encoder
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sidecar import __version__
from sidecar.clock import Clock
from sidecar.errors import NotLeading
from sidecar.http import schema
from sidecar.http.accept import asks_for_html_first
from sidecar.http.body import candidates_body, history_body, leader_name
from sidecar.http.guard import LocalOnly, Unstored
from sidecar.http.held import Held
from sidecar.http.hold import HoldEvents
from sidecar.http.leader import LONGEST_WAIT_SECONDS, Events, answer_now, answer_on_change, answer_unpromised
from sidecar.http.port import Election, Health
from sidecar.http.problem import describe_errors, problem
from sidecar.http.request import read_json
from sidecar.http.state import Key, delete_value, put_value, read_value
from sidecar.http.state_schema import DELETE, DELETE_PARTS, GET, GET_PARTS, PUT, PUT_PARTS
from sidecar.metrics import Metrics

Handler = Callable[..., Awaitable[Response]]
Flag = Annotated[Literal["", "true", "false"] | None, Query(description="given without a value it is true")]
Wait = Annotated[
    float | None,
    Query(ge=0, le=LONGEST_WAIT_SECONDS, allow_inf_nan=False, description="long poll: answer after so many seconds"),
]
Since = Annotated[str | None, Query(description="with `wait`: answer at once if this is not the version")]


class _Application(FastAPI):
    """FastAPI with our schemas in its document, and without the user interfaces, which load from other hosts."""

    def __init__(self, *, openapi_url: str | None) -> None:
        super().__init__(
            title="leader-sidecar",
            version=__version__,
            openapi_url=openapi_url,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            default_response_class=Response,
        )
        describe_errors(self)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {})["schemas"] = schema.SCHEMAS
        return document

    def offer(self, method: str, path: str, handler: Handler, responses: schema.Responses, **more: Any) -> None:
        """One operation; a GET is offered as HEAD, too."""
        name = handler.__name__
        described = responses | schema.EVERYWHERE
        status = min(int(status) for status in responses)
        self.add_api_route(
            path, handler, methods=[method], operation_id=name, status_code=status, responses=described, **more
        )
        if method == "GET":
            self.add_api_route(
                path,
                handler,
                methods=["HEAD"],
                operation_id=name + "_head",
                status_code=status,
                responses=schema.without_bodies(described),
                **more,
            )


def build_workload_app(election: Election, health: Health, metrics: Metrics, clock: Clock, held: Held) -> ASGIApp:
    """Everything, for the containers of this pod alone."""
    app = _Application(openapi_url="/openapi.json")

    async def leader(request: Request, wait: Wait = None, since: Since = None) -> Response:
        """Whether this pod leads now."""
        if wait is None:
            return answer_now(election, clock)
        return await answer_on_change(election, held, request.receive, since=since, wait_seconds=wait)

    async def watch() -> Response:
        """Server-sent events: the state at once, every change, and a heartbeat at least every 5 seconds."""
        return Events(election, held)

    async def candidates() -> Response:
        """The queue."""
        revision, keys = await election.candidates()
        return _json(candidates_body(election.view().election, election.lock, revision, keys))

    async def history() -> Response:
        """The last transitions."""
        return _json(history_body(election.history()))

    async def resign(request: Request, drain: Flag = None) -> Response:
        """Give the lead up: at once, for a workload that has stopped, or with `drain` in the order of a shutdown."""
        if await read_json(request) not in (None, {}):
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "the body must be empty or an empty object")
        if _is_browser(request):
            from sidecar.http.page.answers import resign_for_browser  # when the first browser comes

            return await resign_for_browser(election, drain=_given(drain))
        await election.resign(drain=_given(drain))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    app.offer("GET", "/leader", leader, schema.LEADER)
    app.offer("GET", "/leader/watch", watch, schema.WATCH)
    app.offer("GET", "/candidates", candidates, schema.CANDIDATES)
    app.offer("GET", "/history", history, schema.HISTORY)
    app.offer("POST", "/resign", resign, schema.RESIGN, openapi_extra=schema.EMPTY_BODY)
    _offer_hold(app, election, held, clock)
    _offer_root(app, election, health, clock)
    _offer_transfer(app, election)
    _offer_state(app, election)
    _offer_probes(app, health, metrics)
    return Unstored(LocalOnly(app))


def build_pod_app(election: Election, health: Health, metrics: Metrics) -> ASGIApp:
    """Read only, and without validity: whoever asks over the network cannot know how old an answer is."""
    app = _Application(openapi_url=None)

    async def leader() -> Response:
        return answer_unpromised(election)

    app.offer("GET", "/leader", leader, schema.LEADER)
    _offer_probes(app, health, metrics)
    return Unstored(app)


def _offer_hold(app: _Application, election: Election, held: Held, clock: Clock) -> None:
    async def hold() -> Response:
        """The events of `/leader/watch` as long as this pod leads, which it does as long as this connection is open."""
        token = election.view().token
        if token is None:
            raise NotLeading
        return HoldEvents(election, held, clock, token)

    app.offer("GET", "/leader/hold", hold, schema.HOLD)


def _offer_transfer(app: _Application, election: Election) -> None:
    async def transfer(request: Request) -> Response:
        """Hand the lead over to a candidate that waits, in the order of a shutdown."""
        match await read_json(request):
            case {"to": str(to), **others} if to and not others:
                await election.transfer(to)
                return Response(status_code=HTTPStatus.NO_CONTENT)
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, 'the body must be {"to": NAME}, of a candidate')

    app.offer("POST", "/transfer", transfer, schema.TRANSFER, openapi_extra=schema.HEIR_BODY)


def _offer_state(app: _Application, election: Election) -> None:
    async def state(request: Request, key: Key) -> Response:
        """A value that a leader has put, read from etcd now."""
        return await read_value(election, key, request)

    async def put_state(request: Request, key: Key) -> Response:
        """Put a value, as the leader, if it is still the one that was read."""
        return await put_value(election, key, request)

    async def delete_state(request: Request, key: Key) -> Response:
        """Delete a value, as the leader, if it is still the one that was read."""
        return await delete_value(election, key, request)

    app.offer("GET", "/state/{key}", state, GET, openapi_extra=GET_PARTS)
    app.offer("PUT", "/state/{key}", put_state, PUT, openapi_extra=PUT_PARTS)
    app.offer("DELETE", "/state/{key}", delete_state, DELETE, openapi_extra=DELETE_PARTS)


def _offer_root(app: _Application, election: Election, health: Health, clock: Clock) -> None:
    async def name(request: Request) -> Response:
        """The leader's name alone; for a browser the status page."""
        if _is_browser(request):
            from sidecar.http.page.answers import show_page  # when the first browser comes

            return await show_page(request.query_params, election, health, clock)
        return _json({"name": leader_name(election.view())})

    app.offer("GET", "/", name, schema.NAME)


def _offer_probes(app: _Application, health: Health, metrics: Metrics) -> None:
    async def healthz() -> Response:
        """Whether this sidecar can keep what it claims."""
        # After a freeze this request may come before the timers that are due: let them run, then judge.
        await asyncio.sleep(0)
        return _well_unless(health.wedged())

    async def readyz(strict: Flag = None) -> Response:
        """Whether this sidecar is ready; `strict` asks for session, queue and label in sync as well."""
        return _well_unless(health.unready(strict=_given(strict)))

    async def metrics_page(request: Request) -> Response:
        """Prometheus' metrics."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})

    app.offer("GET", "/healthz", healthz, schema.HEALTH)
    app.offer("GET", "/readyz", readyz, schema.READINESS)
    app.offer("GET", "/metrics", metrics_page, schema.METRICS)


def _is_browser(request: Request) -> bool:
    return asks_for_html_first(request.headers.getlist("accept"))


def _given(flag: str | None) -> bool:
    return flag in ("", "true")


def _well_unless(reason: str | None) -> Response:
    return _json({"status": "ok"}) if reason is None else problem(HTTPStatus.SERVICE_UNAVAILABLE, reason)


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), media_type="application/json")
