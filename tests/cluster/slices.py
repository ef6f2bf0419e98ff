"""What becomes of a route's slices, in the order in which it became so, and what must never be seen of them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.watch import Watch
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """One revision of one slice: whom it names, by which token. ``gone``: it was deleted. ``at``: seconds."""

    at: float
    slice: str
    pods: tuple[str, ...]
    token: int
    gone: bool
    version: int


def said(event: Mapping[str, Any], at: float) -> Said:
    found = event["object"]
    notes = found["metadata"].get("annotations") or {}
    return Said(
        at=at,
        slice=found["metadata"]["name"],
        pods=tuple(each["targetRef"]["name"] for each in found.get("endpoints") or ()),
        token=int(notes.get("leader-sidecar/token", 0)),
        gone=event["type"] == "DELETED",
        version=int(found["metadata"]["resourceVersion"]),
    )


def violations(events: Iterable[Said]) -> list[str]:
    """A slice names one pod at most, and its token never goes down; a slice that is made anew begins anew."""
    found: list[str] = []
    highest: dict[str, int] = {}
    for event in events:
        if event.gone:
            highest.pop(event.slice, None)
            continue
        if len(event.pods) > 1:
            found.append(f"two at once: {event}")
        if event.token < highest.get(event.slice, 0):
            found.append(f"a lower token than {highest[event.slice]}: {event}")
        highest[event.slice] = max(event.token, highest.get(event.slice, 0))
    return found


class SliceWatch(Watch):
    """At its end what was seen must not break the route's promise."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        super().__init__(plane, "endpointslices", namespace)
        self._events: list[Said] = []

    def take(self, event: dict[str, Any]) -> None:
        self._events.append(said(event, time.monotonic()))

    def check(self) -> None:
        """Raises ``AssertionError`` when what was seen breaks the promise."""
        super().check()
        found = violations(self._events)
        assert not found, "\n".join([*found, *map(str, self._events)])

    def events(self) -> list[Said]:
        return list(self._events)

    def forget_tokens(self) -> None:
        """Judge no more: what was seen is of two histories."""
        self._events.clear()

    def now(self) -> tuple[tuple[str, ...], int]:
        """Whom the slice names, and by which token."""
        last = self._events[-1] if self._events else None
        return (last.pods, last.token) if last is not None and not last.gone else ((), 0)

    def wait_for(self, name: str, token: int | None = None) -> int:
        """Until it names this pod alone (by this token); the token."""
        deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.005)
        while deadline.goes_on():
            pods, now = self.now()
            if pods == ((name,) if name else ()) and token in (None, now):
                return now
        shown = "\n".join(map(str, self._events[-30:]))
        raise AssertionError(f"the route does not lead to {name!r} by {token}:\n{shown}")

    def gaps(self) -> list[float]:
        """How long it named nobody, each time, in seconds."""
        found: list[float] = []
        since: float | None = None
        for event in self._events:
            if event.pods and since is not None:
                found.append(event.at - since)
            since = None if event.pods else since if since is not None else event.at
        return found
