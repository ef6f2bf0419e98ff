"""What gRPC's and etcd's errors mean to this project. Texts and codes are those of etcd's ``rpctypes/error.go``."""

from dataclasses import dataclass

from grpc import StatusCode as Code

from sidecar.errors import (
    AuthenticationFailed,
    EtcdError,
    EtcdUnavailable,
    LeaseNotFound,
    NoSpace,
    PermissionDenied,
)

_STALE_TOKEN = ("invalid auth token", "user name is empty", "revision of auth store is old")
_WRONG_USER = ("authentication failed", "user name not found")
_WHOLE_CLUSTER = ("leader changed", "too many requests")
_NOT_THE_ENDPOINTS = {Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE,
    Code.ALREADY_EXISTS, Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED, Code.UNAUTHENTICATED}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """``next_endpoint``: this endpoint is at fault. ``stale_token``: authenticate again, then retry."""

    error: EtcdError
    next_endpoint: bool = False
    stale_token: bool = False


def classify(code: Code, details: str) -> Failure:
    """Which of our errors a failed call is, and what helps."""
    said = f"{details or 'no details'} ({code.name})"
    for text, failure in (
        (_STALE_TOKEN, Failure(EtcdUnavailable(said), stale_token=True)),
        (_WRONG_USER, Failure(AuthenticationFailed(said))),
        (("database space exceeded",), Failure(NoSpace(said))),
        (("lease not found",), Failure(LeaseNotFound(said))),
        (("permission denied",), Failure(PermissionDenied(said))),
        (("not supported for learner",), Failure(EtcdUnavailable(said), next_endpoint=True)),
        (_WHOLE_CLUSTER, Failure(EtcdUnavailable(said))),
    ):
        if any(part in details for part in text):
            return failure
    if code in _NOT_THE_ENDPOINTS:
        return Failure(EtcdError(said))
    return Failure(EtcdUnavailable(said), next_endpoint=True)
