"""What gRPC's and etcd's errors mean to this project. Texts and codes are those of etcd's ``rpctypes/error.go``."""

from dataclasses import dataclass
from enum import Enum

from grpc import StatusCode as Code

from sidecar.errors import (
    AuthenticationFailed,
    EtcdError,
    EtcdUnavailable,
    LeaseNotFound,
    NoSpace,
    PermissionDenied,
)


class Remedy(Enum):
    """What may help at once, within the same attempt."""

    NONE = "none"
    NEXT_ENDPOINT = "next endpoint"
    NEW_TOKEN = "new token"  # noqa: S105 (no secret)
    SAME_AGAIN = "same again"


@dataclass(frozen=True, slots=True)
class Failure:
    error: EtcdError
    remedy: Remedy


def classify(code: Code, details: str) -> Failure:
    """Which of our errors a failed call is, and what helps."""
    said = f"{details or 'no details'} ({code.name})"
    for texts, kind, remedy in _BY_TEXT:
        if any(text in details for text in texts):
            return Failure(kind(said), remedy)
    if code in _NOT_THE_ENDPOINTS:
        return Failure(EtcdError(said), Remedy.NONE)
    return Failure(EtcdUnavailable(said), Remedy.NEXT_ENDPOINT)


def speaks_of_token(text: str) -> bool:
    """Whether etcd refuses because it does not know, or no longer likes, the token."""
    return any(part in text for part in _STALE_TOKEN)


def was_refused_unread(text: str) -> bool:
    """Whether a request surely had no effect: it was never sent, or etcd turned it away before it looked at it."""
    return any(part in text for part in _UNREAD)


_UNREAD = (
    "failed to connect to all addresses",  # gRPC's, of a channel that has no connection
    # etcd's interceptors (server/etcdserver/api/v3rpc/interceptor.go)
    "not supported for learner",
    "etcdserver: no leader",
)

_STALE_TOKEN = ("invalid auth token", "user name is empty", "revision of auth store is old")

_BY_TEXT: tuple[tuple[tuple[str, ...], type[EtcdError], Remedy], ...] = (
    (_STALE_TOKEN, EtcdUnavailable, Remedy.NEW_TOKEN),
    (("authentication failed", "user name not found"), AuthenticationFailed, Remedy.NONE),
    (("database space exceeded",), NoSpace, Remedy.NONE),
    (("lease not found",), LeaseNotFound, Remedy.NONE),
    (("permission denied",), PermissionDenied, Remedy.NONE),
    (("not supported for learner",), EtcdUnavailable, Remedy.NEXT_ENDPOINT),
    # true of the whole cluster, whichever member says it
    (("leader changed", "too many requests"), EtcdUnavailable, Remedy.NONE),
    # a write that met the end of its stream hides why it ended (grpc/grpc#36066): a new stream tells
    (("Internal error from Core",), EtcdUnavailable, Remedy.SAME_AGAIN),
)

_NOT_THE_ENDPOINTS = {
    Code.INVALID_ARGUMENT,
    Code.NOT_FOUND,
    Code.FAILED_PRECONDITION,
    Code.OUT_OF_RANGE,
    Code.ALREADY_EXISTS,
    Code.PERMISSION_DENIED,
    Code.RESOURCE_EXHAUSTED,
    Code.UNAUTHENTICATED,
}
