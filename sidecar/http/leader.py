"""``/leader`` in its forms: plain, long poll, stream of events, and the unpromised one of the pod's listener.

Each answer takes one view, so that status, body and headers agree, and each deadline in it was promised.
"""

import json
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from sidecar.clock import Clock
from sidecar.election.verdict import View
from sidecar.http.body import leader_body, leader_headers
from sidecar.http.held import Held
from sidecar.http.port import Election

HEARTBEAT_SECONDS = 4.0
"""The contract says at least every 5 s."""

LONGEST_WAIT_SECONDS = 60


def answer_now(election: Election, clock: Clock) -> Response:
    view = election.view()
    deadline = election.promise(view)
    return _answer(view, leader_body(view, deadline=deadline, now=clock.now()))


def answer_unpromised(election: Election) -> Response:
    view = election.view()
    return _answer(view, leader_body(view, deadline=None, now=None))


async def answer_on_change(
    election: Election, held: Held, receive: Receive, *, since: str | None, wait_seconds: float
) -> Response:
    """Long poll. Without ``since`` it waits for the next change. When it has to make room it answers early."""
    async with held.hold(receive) as hold:
        version = election.view().version if since is None else since
        await hold.change(election, version, wait_seconds)
        if hold.client_gone:
            return answer_unpromised(election)
    view = election.view()
    return _answer(view, leader_body(view, deadline=election.promise(view), now=None))


class Events(Response):
    """The stream. A reader gets the state as it is when it can take one: there is no queue to fall behind."""

    media_type = "text/event-stream"

    def __init__(self, election: Election, held: Held) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._election, self._held = election, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            await self._stream(receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, receive: Receive, send: Send) -> None:
        sent: str | None = None
        async with self._held.hold(receive) as hold:
            while not hold.over:
                view = self._election.view()
                name = "heartbeat" if view.version == sent else "state"
                await send(event(name, view, self._election.promise(view)))
                sent = view.version
                await hold.change(self._election, sent, HEARTBEAT_SECONDS)


def _answer(view: View, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), 200 if view.is_leader else 503, leader_headers(body), "application/json")


def event(name: str, view: View, deadline: float | None) -> Message:
    """One event of a stream; ``deadline`` was promised."""
    body = leader_body(view, deadline=deadline, now=None)
    text = f"event: {name}\nid: {body['version']}\ndata: {json.dumps(body)}\n\n"
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}
