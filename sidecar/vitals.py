"""Is this sidecar well: what probes and alerts ask. An etcd outage is no illness: a restart does not mend it."""

from sidecar.elector.elector import Elector

OVERDUE_SECONDS = 5.0
"""Past a deadline of its own by this much, the elector has stopped looking at the clock."""


class Vitals:
    def __init__(self, elector: Elector, ttl_seconds: float) -> None:
        self._elector, self._ttl_seconds = elector, ttl_seconds
        self._initialised = False

    def wedged(self) -> str | None:
        """Why this sidecar cannot keep what it claims, None while it can."""
        if self._elector.overdue_seconds() > OVERDUE_SECONDS:
            return "the elector no longer looks at the clock"
        if self._elector.first_for_seconds() > self._ttl_seconds:
            return "its key has been first for more than a TTL, and it neither leads nor leaves"
        return None

    def unready(self, *, strict: bool) -> str | None:
        """Why it is not ready, None when it is."""
        self._initialised = self._initialised or self._elector.has_session
        if not self._initialised:
            return "no session with etcd yet"
        if strict and not self._elector.has_session:
            return "no session with etcd"
        if strict and not self._elector.in_queue:
            return "not in the queue"
        return None
