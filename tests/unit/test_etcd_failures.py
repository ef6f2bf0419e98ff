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
from sidecar.etcd.failures import Remedy, classify, was_refused_unread


@pytest.mark.parametrize(
    ("code", "details", "kind", "remedy"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNAVAILABLE, "etcdserver: no leader", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNAVAILABLE, "etcdserver: request timed out", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNAVAILABLE, "etcdserver: server stopped", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNAVAILABLE, "etcdserver: rpc not supported for learner", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.FAILED_PRECONDITION, "etcdserver: rpc not supported for learner", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.DEADLINE_EXCEEDED, "", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.INTERNAL, "RST_STREAM", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNIMPLEMENTED, "unknown service etcdserverpb.KV", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.DATA_LOSS, "etcdserver: corrupt cluster", EtcdUnavailable, Remedy.NEXT_ENDPOINT),
        (Code.UNAVAILABLE, "etcdserver: leader changed", EtcdUnavailable, Remedy.NONE),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests", EtcdUnavailable, Remedy.NONE),
        (Code.INTERNAL, "Internal error from Core", EtcdUnavailable, Remedy.SAME_AGAIN),
        (Code.UNAUTHENTICATED, "etcdserver: invalid auth token", EtcdUnavailable, Remedy.NEW_TOKEN),
        (Code.INVALID_ARGUMENT, "etcdserver: user name is empty", EtcdUnavailable, Remedy.NEW_TOKEN),
        (Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", EtcdUnavailable, Remedy.NEW_TOKEN),
        (
            Code.INVALID_ARGUMENT,
            "etcdserver: authentication failed, invalid user ID or password",
            AuthenticationFailed,
            Remedy.NONE,
        ),
        (Code.PERMISSION_DENIED, "etcdserver: permission denied", PermissionDenied, Remedy.NONE),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", NoSpace, Remedy.NONE),
        (Code.NOT_FOUND, "etcdserver: requested lease not found", LeaseNotFound, Remedy.NONE),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", EtcdError, Remedy.NONE),
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", EtcdError, Remedy.NONE),
    ],
)
def test_a_failure_is_one_of_our_errors_and_says_what_helps(
    code: Code, details: str, kind: type[EtcdError], remedy: Remedy
) -> None:
    failure = classify(code, details)
    assert type(failure.error) is kind
    assert failure.remedy is remedy
    assert details in str(failure.error)
    assert code.name in str(failure.error)


@pytest.mark.parametrize(
    ("details", "unread"),
    [
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:2379: Connection refused", True),
        ("etcdserver: rpc not supported for learner", True),
        ("etcdserver: no leader", True),
        ("etcdserver: request timed out", False),
        ("etcdserver: leader changed", False),
        ("etcdserver: server stopped", False),
        ("Socket closed", False),
        ("recvmsg:Connection reset by peer", False),
        ("", False),
    ],
)
def test_only_what_surely_was_not_read_may_be_sent_twice(details: str, unread: bool) -> None:
    assert was_refused_unread(str(classify(Code.UNAVAILABLE, details).error)) is unread
