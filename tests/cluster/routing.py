"""Promise 3 as a judgement over a watch's events, in the order in which the API server accepted them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a watch: the pod as it is from now on, None for its label where it is gone. ``at``: seconds."""

    at: float
    uid: str
    name: str
    role: str | None
    token: int
    terminating: bool
    version: str


def seen(event: Mapping[str, Any], key: str, at: float, *, leader: str = "leader") -> Seen:
    """A watch event about a pod. ``key`` is the label, and ``leader`` its value that leads."""
    metadata = event["object"]["metadata"]
    gone = event["type"] == "DELETED"
    value = (metadata.get("labels") or {}).get(key, "")
    return Seen(
        at=at,
        uid=metadata["uid"],
        name=metadata["name"],
        role=None if gone else "leader" if value == leader else value,
        token=int((metadata.get("annotations") or {}).get(f"{key}.token", 0)),
        terminating="deletionTimestamp" in metadata,
        version=metadata["resourceVersion"],
    )


def leaders(pods: Iterable[Seen]) -> list[Seen]:
    """Whom the leader's Service would reach."""
    return [pod for pod in pods if pod.role == "leader"]


def violations(events: Iterable[Seen]) -> list[str]:
    """What breaks promise 3, a sentence each: from a new leader's label on, no other pod bears it but terminating ones.

    And the tokens of the labels that are put on never go down.
    """
    found: list[str] = []
    pods: dict[str, Seen] = {}
    highest = 0
    for event in events:
        before = pods.get(event.uid)
        if event.role is None:
            pods.pop(event.uid, None)
            continue
        pods[event.uid] = event
        if event.role != "leader" or (before is not None and before.role == "leader" and before.token == event.token):
            continue
        others = [pod for pod in leaders(pods.values()) if pod.uid != event.uid and not pod.terminating]
        found += [f"two leaders: {event} while {other}" for other in others]
        if event.token < highest:
            found.append(f"the token went down: {event} after token {highest}")
        highest = max(highest, event.token)
    return found


def gaps(events: Iterable[Seen]) -> list[float]:
    """How long there was no leader to route to, each time, in seconds; what follows the last leader does not count."""
    pods: dict[str, Seen] = {}
    since: float | None = None
    found: list[float] = []
    for event in events:
        had = bool(leaders(pods.values()))
        pods[event.uid] = event
        has = bool(leaders(pods.values()))
        if had and not has:
            since = event.at
        elif has and not had and since is not None:
            found.append(event.at - since)
    return found


@dataclass(frozen=True, slots=True)
class Reached:
    """One state of a Service: the pods that kube-proxy would send a new connection to."""

    at: float
    pods: tuple[str, ...]


def reached(event: Mapping[str, Any], at: float) -> Reached:
    """A watch event about the Service's only EndpointSlice.

    kube-proxy uses the endpoints that are ready; where there are none, those that terminate and still serve.
    """
    endpoints = [] if event["type"] == "DELETED" else event["object"].get("endpoints") or []
    ready = [each for each in endpoints if each["conditions"].get("ready")]
    chosen = ready or [each for each in endpoints if each["conditions"].get("serving")]
    return Reached(at, tuple(sorted(each["targetRef"]["name"] for each in chosen)))
