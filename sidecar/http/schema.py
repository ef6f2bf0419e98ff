"""What OpenAPI says of the answers. Plain JSON schema: models would be built, and kept in memory, only to say this."""

from typing import Any

from sidecar.election.verdict import Reason, State
from sidecar.http.problem import MEDIA_TYPE

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]


def _nullable(kind: str, **more: Any) -> Schema:
    return {"type": [kind, "null"], **more}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TIME: Schema = {"type": "string", "format": "date-time"}
_LEASE: Schema = {"type": "string", "pattern": "^[0-9a-f]*$", "description": "lease id, hex; empty without a lease"}
_STATE: Schema = {"type": "string", "enum": [state.value for state in State]}
_TOKEN = _nullable("integer", minimum=1, description="fencing token; null on a follower")

SCHEMAS: dict[str, Schema] = {
    "Leader": _record(
        election={"type": "string"},
        name={"type": "string", "description": "this pod"},
        id=_LEASE,
        is_leader={"type": "boolean"},
        leader=_nullable("string", description="the current leader; null when unknown"),
        leader_id=_nullable("string"),
        token=_TOKEN,
        valid_for_ms=_nullable(
            "integer",
            minimum=0,
            description="counts from the moment a plain GET was sent; null in long polls and events",
        ),
        valid_until_boottime_ns=_nullable("integer", minimum=0, description="absolute on CLOCK_BOOTTIME"),
        at_risk={"type": "boolean", "description": "still leader, but renewals have failed for half the TTL"},
        since=_TIME,
        state=_STATE,
        position=_nullable("integer", minimum=1, description="place in the queue at the last read"),
        version={"type": "string", "description": "moves with everything but validity and position"},
    ),
    "LeaderName": _record(name={"type": "string", "description": "the current leader; empty when unknown"}),
    "Candidates": _record(
        election={"type": "string"},
        revision={"type": "integer"},
        candidates={
            "type": "array",
            "items": _record(
                name={"type": "string"},
                id=_LEASE,
                position={"type": "integer", "minimum": 1},
                token={"type": "integer"},
            ),
        },
    ),
    "History": _record(
        transitions={
            "type": "array",
            "maxItems": 100,
            "description": "newest first",
            "items": {
                **_record(
                    at=_TIME,
                    to=_STATE,
                    reason={"enum": [*(reason.value for reason in Reason), None]},
                    token=_TOKEN,
                    duration_seconds={"type": "number", "minimum": 0},
                ),
            },
        }
    ),
    "Well": _record(status={"const": "ok"}),
    "Problem": _record(
        type={"type": "string"}, title={"type": "string"}, status={"type": "integer"}, detail={"type": "string"}
    ),
}
_transition = SCHEMAS["History"]["properties"]["transitions"]["items"]
_transition["properties"]["from"] = _STATE
_transition["required"].append("from")


def answers(description: str, name: str, headers: Schema | None = None) -> Schema:
    return {"description": description, "headers": headers or {}, "content": {"application/json": _reference(name)}}


def is_problem(description: str) -> Schema:
    return {"description": description, "content": {MEDIA_TYPE: _reference("Problem")}}


def _reference(name: str) -> Schema:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def without_bodies(responses: Responses) -> Responses:
    """The answers to HEAD."""
    return {status: {**answer, "content": {}} for status, answer in responses.items()}


_LEADER_HEADERS: Schema = {
    "X-Leader-Token": {"description": "token, on a leader", "schema": {"type": "integer"}},
    "X-Leader-Valid-Ms": {"description": "valid_for_ms, where it is not null", "schema": {"type": "integer"}},
}
_BAD_QUERY = is_problem("a query parameter is not what it should be")

EVERYWHERE: Responses = {
    403: is_problem("a foreign Origin"),
    421: is_problem("a Host that is not local to the pod"),
}
LEADER: Responses = {
    200: answers("this pod leads now", "Leader", _LEADER_HEADERS),
    503: answers("this pod does not lead now", "Leader"),
    422: _BAD_QUERY,
}
WATCH: Responses = {
    200: {
        "description": "`event: state` or `event: heartbeat`, `id:` the version, `data:` the body of /leader",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
HOLD: Responses = WATCH | {
    409: is_problem("this pod does not lead"),
    429: is_problem("so many hold the lead already that no other may"),
}
HEALTH: Responses = {
    200: answers("the sidecar can keep what it claims", "Well"),
    503: is_problem("it is wedged, and why"),
}
READINESS: Responses = {
    200: answers("ready", "Well"),
    503: is_problem("not ready, and why"),
    422: _BAD_QUERY,
}
CANDIDATES: Responses = {
    200: answers("the queue in order, read at most once a second", "Candidates"),
    503: is_problem("etcd does not answer, or refuses"),
}
HISTORY: Responses = {200: answers("the last 100 transitions", "History")}
NAME: Responses = {200: answers("the leader's name, as the retired leader-elector answered", "LeaderName")}
NAME[200]["content"]["text/html"] = {"schema": {"type": "string", "description": "the status page, for a browser"}}
METRICS: Responses = {
    200: {"description": "Prometheus", "content": {"text/plain": {"schema": {"type": "string"}}}},
}
_BODY: Responses = {
    400: is_problem("the body is not JSON"),
    408: is_problem("the body did not arrive in time"),
    413: is_problem("the body is too large"),
    415: is_problem("the body is not application/json"),
}
RESIGN: Responses = _BODY | {
    204: {"description": "given up; this pod stands at the tail of the queue, or will soon"},
    303: {"description": "the same for a browser, or not leading: the status page says which"},
    409: is_problem("this pod does not lead"),
    422: is_problem("a query parameter is not what it should be, or the body is not an empty object"),
}
EMPTY_BODY: Schema = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": {"type": "object", "maxProperties": 0}}},
    }
}
TRANSFER: Responses = _BODY | {
    204: {
        "description": "handed over: that candidate is the first of the queue, and this pod stands at its tail or soon"
    },
    404: is_problem("no candidate has that name or lease id"),
    409: is_problem(
        "this pod does not lead, the name is several candidates' or its own, a program that is no sidecar waits "
        "between, or the queue changed during the drain and the lead went to whoever stood next"
    ),
    422: is_problem('the body is not {"to": NAME}'),
    503: is_problem("etcd does not answer, or refuses; the lead is where it was"),
}
HEIR_BODY: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    **_record(to={"type": "string", "minLength": 1, "description": "a candidate's name or lease id"}),
                    "additionalProperties": False,
                }
            }
        },
    }
}
