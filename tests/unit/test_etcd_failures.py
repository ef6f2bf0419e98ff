"""What each failure of a call means, and what helps. Texts are etcd's (api/v3rpc/rpctypes/error.go)."""

import pytest
from grpc import StatusCode as Code

from sidecar.errors import (
    AuthenticationFailed,
    EtcdError,
    EtcdUnavailable,
    LeaseNotFound,
    NoSpace,
    PermissionDenied,
)
from sidecar.etcd.failures import classify


@pytest.mark.parametrize(
    ("code", "details", "kind", "helps"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses", EtcdUnavailable, "next endpoint"),
        (Code.UNAVAILABLE, "etcdserver: no leader", EtcdUnavailable, "next endpoint"),
        (Code.UNAVAILABLE, "etcdserver: request timed out", EtcdUnavailable, "next endpoint"),
        (Code.UNAVAILABLE, "etcdserver: server stopped", EtcdUnavailable, "next endpoint"),
        (Code.UNAVAILABLE, "etcdserver: rpc not supported for learner", EtcdUnavailable, "next endpoint"),
        (Code.FAILED_PRECONDITION, "etcdserver: rpc not supported for learner", EtcdUnavailable, "next endpoint"),
        (Code.DEADLINE_EXCEEDED, "", EtcdUnavailable, "next endpoint"),
        (Code.INTERNAL, "RST_STREAM", EtcdUnavailable, "next endpoint"),
        (Code.UNIMPLEMENTED, "unknown service etcdserverpb.KV", EtcdUnavailable, "next endpoint"),
        (Code.DATA_LOSS, "etcdserver: corrupt cluster", EtcdUnavailable, "next endpoint"),
        (Code.UNAVAILABLE, "etcdserver: leader changed", EtcdUnavailable, "nothing"),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests", EtcdUnavailable, "nothing"),
        (Code.UNAUTHENTICATED, "etcdserver: invalid auth token", EtcdUnavailable, "token"),
        (Code.INVALID_ARGUMENT, "etcdserver: user name is empty", EtcdUnavailable, "token"),
        (Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", EtcdUnavailable, "token"),
        (
            Code.INVALID_ARGUMENT,
            "etcdserver: authentication failed, invalid user ID or password",
            AuthenticationFailed,
            "nothing",
        ),
        (Code.PERMISSION_DENIED, "etcdserver: permission denied", PermissionDenied, "nothing"),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", NoSpace, "nothing"),
        (Code.NOT_FOUND, "etcdserver: requested lease not found", LeaseNotFound, "nothing"),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", EtcdError, "nothing"),
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", EtcdError, "nothing"),
    ],
)
def test_a_failure_is_one_of_our_errors_and_says_what_helps(
    code: Code, details: str, kind: type[EtcdError], helps: str
) -> None:
    failure = classify(code, details)
    assert type(failure.error) is kind
    assert (failure.next_endpoint, failure.stale_token) == (helps == "next endpoint", helps == "token")
    assert details in str(failure.error)
    assert code.name in str(failure.error)
