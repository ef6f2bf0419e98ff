"""What OpenAPI says of ``/state/{key}``: the answers to each method, and the parts of its requests."""

from sidecar.election.state import MOST_VALUE_BYTES
from sidecar.http.schema import Responses, Schema, is_problem

VALUE_TYPE = "application/octet-stream"

_ETAG: Schema = {"ETag": {"description": "the value's revision in quotes", "schema": {"type": "string"}}}
_VALUE: Schema = {"type": "string", "format": "binary", "maxLength": MOST_VALUE_BYTES}
_BAD_KEY: Responses = {422: is_problem("the key is not what it should be")}
_WRITING: Responses = _BAD_KEY | {
    400: is_problem("a condition that cannot be understood, or a body that ended early"),
    409: is_problem("this pod does not lead, or leads no more: nothing was written"),
    412: is_problem("the value is not what was read, or should not be there: nothing was written"),
    428: is_problem("no condition that names the value as it was read"),
    503: is_problem("etcd does not answer, or refuses; whether it was written is unknown"),
    507: is_problem("etcd is out of space: nothing was written"),
}
GET: Responses = _BAD_KEY | {
    200: {
        "description": "the value, read linearizably",
        "headers": _ETAG,
        "content": {VALUE_TYPE: {"schema": _VALUE}},
    },
    304: {"description": "it is one of those that If-None-Match names", "headers": _ETAG},
    404: is_problem("there is no such value"),
    503: is_problem("etcd does not answer, or refuses"),
}
PUT: Responses = _WRITING | {
    201: {"description": "put where there was no value", "headers": _ETAG},
    204: {"description": "put in place of the one that was read", "headers": _ETAG},
    408: is_problem("the body did not arrive in time"),
    413: is_problem("the body is too large"),
}
DELETE: Responses = _WRITING | {204: {"description": "deleted"}}


def _condition(name: str, description: str, **more: str) -> Schema:
    schema = {"type": "string", **more}
    return {"name": name, "in": "header", "description": description, "schema": schema}


_READ_BEFORE = _condition("If-Match", "the ETag of the value that was read", pattern=r'^"[0-9]+"$')
GET_PARTS: Schema = {"parameters": [_condition("If-None-Match", "ETags of what the reader has, or `*`")]}
DELETE_PARTS: Schema = {"parameters": [_READ_BEFORE | {"required": True}]}
PUT_PARTS: Schema = {
    "parameters": [_READ_BEFORE, _condition("If-None-Match", "instead, and `*`: there is no value yet")],
    "requestBody": {"required": False, "content": {VALUE_TYPE: {"schema": _VALUE}}},
}
