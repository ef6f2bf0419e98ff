"""The judge of promise 3 accuses what breaks it, and nothing else."""

import pytest

from tests.cluster.routing import Seen, gaps, seen, violations


def event(name: str, role: str | None, token: int = 1, *, terminating: bool = False, at: float = 0.0) -> Seen:
    return Seen(at, f"uid-{name}", name, role, token, terminating, "1")


ORDERLY = [
    event("a", "leader", 1),
    event("b", "follower", 0),
    event("b", "electing", 2),
    event("a", "follower", 2),
    event("b", "leader", 2),
]


@pytest.mark.parametrize(
    "events",
    [
        [],
        ORDERLY,
        [*ORDERLY, event("b", "leader", 2), event("a", "electing", 3)],
        # a terminating leader keeps its label until the next one has its own
        [event("a", "leader", 1), event("a", "leader", 1, terminating=True), event("b", "leader", 2)],
        # a pod that is gone leads no more, and one of its name is another
        [event("a", "leader", 1), event("a", None, 1), event("b", "leader", 2)],
        # put right again after a hand had flipped it
        [event("a", "leader", 1), event("a", "follower", 1), event("a", "leader", 1)],
    ],
)
def test_what_keeps_the_promise(events: list[Seen]) -> None:
    assert violations(events) == []


@pytest.mark.parametrize(
    "events",
    [
        [event("a", "leader", 1), event("b", "leader", 2)],
        # late: the old leader's write lands after the new one's
        [*ORDERLY, event("a", "leader", 1)],
        [*ORDERLY, event("a", "leader", 3)],
        [event("a", "leader", 1), event("b", "leader", 2, terminating=True)],
        # the token went down
        [event("a", "leader", 5), event("a", "follower", 5), event("b", "leader", 4)],
    ],
)
def test_what_breaks_it(events: list[Seen]) -> None:
    assert violations(events)


def test_gaps_are_times_without_anybody_to_route_to() -> None:
    events = [
        event("a", "leader", 1, at=1.0),
        event("a", "follower", 1, at=2.0),
        event("b", "leader", 2, at=2.5),
        event("b", None, 2, at=4.0),
        event("c", "leader", 3, at=5.0),
        event("c", "follower", 3, at=9.0),
    ]
    assert gaps(events) == [0.5, 1.0]


@pytest.mark.parametrize(("kind", "role"), [("MODIFIED", "leader"), ("DELETED", None)])
def test_an_event_of_the_api_server_is_read(kind: str, role: str | None) -> None:
    metadata = {
        "uid": "u",
        "name": "a",
        "resourceVersion": "7",
        "labels": {"k": "leader"},
        "annotations": {"k.token": "12"},
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    }
    assert seen({"type": kind, "object": {"metadata": metadata}}, "k", 1.0) == Seen(1.0, "u", "a", role, 12, True, "7")


def test_a_pod_without_the_label_says_nothing() -> None:
    pod = {"metadata": {"uid": "u", "name": "a", "resourceVersion": "7"}}
    assert seen({"type": "ADDED", "object": pod}, "k", 1.0) == Seen(1.0, "u", "a", "", 0, False, "7")
