"""Is this sidecar well: what probes and alerts ask. An etcd outage is no illness: a restart does not mend it."""

from typing import Protocol

from sidecar.elector.elector import Elector
from sidecar.labeler.labeler import Labeler

OVERDUE_SECONDS = 5.0
"""Past a deadline of its own by this much, the elector has stopped looking at the clock."""


class Route(Protocol):
    """What the router knows. Its own module is imported where there is one."""

    def may_name_me(self) -> bool: ...

    def in_sync(self) -> bool: ...


class Vitals:
    """``labeler`` is None without labels, ``router`` without a route."""

    def __init__(self, elector: Elector, labeler: Labeler | None, router: Route | None, ttl_seconds: float) -> None:
        self._elector, self._labeler, self._router, self._ttl_seconds = elector, labeler, router, ttl_seconds
        self._joined = False

    def wedged(self) -> str | None:
        """Why this sidecar cannot keep what it claims, None while it can."""
        if self._elector.overdue_seconds() > OVERDUE_SECONDS:
            return "the elector no longer looks at the clock"
        if self._elector.first_for_seconds() > self._ttl_seconds:
            return "its key has been first for more than a TTL, and it neither leads nor leaves"
        return None

    def unready(self, *, strict: bool) -> str | None:
        """Why it is not ready, None when it is."""
        self._joined = self._joined or self._elector.has_session
        if not self._joined:
            return "not initialised: no session with etcd yet"
        if self._labeler is not None and self._labeler.may_say_leader():
            return "this pod's label may say leader, and the verdict does not"
        if self._router is not None and self._router.may_name_me():
            return "the Service's slices may name this pod, and the verdict does not"
        return self._out_of_sync() if strict else None

    def label_in_sync(self) -> bool | None:
        """Whether the pod's label is known to say what the verdict says; None without labels."""
        return None if self._labeler is None else self._labeler.in_sync()

    def _out_of_sync(self) -> str | None:
        if not self._elector.has_session:
            return "no session with etcd"
        if not self._elector.in_queue:
            return "not in the queue"
        if self._labeler is not None and not self._labeler.in_sync():
            return "the pod's label does not say what the verdict says, or is not known to"
        if self._router is not None and not self._router.in_sync():
            return "the Service's slices do not say what the verdict says, or are not known to"
        return None
