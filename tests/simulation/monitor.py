"""Holds every answer of every sidecar against promise 1, in true time; nobody in the simulation can see this."""

from dataclasses import dataclass

from tests.simulation.trace import Trace

MOST_VIOLATIONS = 3
"""Of one run; the first one tells most."""


@dataclass
class Promise:
    """``run`` answered at ``sent_at`` that it leads, for as long as ``until`` (both in true seconds)."""

    run: str
    token: int
    sent_at: float
    until: float


def pod_of(run: str) -> str:
    """Whose life this is: a pod's later life may go on with the lead of an earlier one."""
    return run.rpartition(".")[0]


class Monitor:
    """``run`` names one life of one sidecar. ``violations`` is what was found, ``answers`` how many were checked."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.violations: list[str] = []
        self.answers = 0
        self.leaderships = 0
        self._promises: dict[str, Promise] = {}
        self._excused: dict[str, float] = {}
        self._highest: tuple[int, str] | None = None
        self._off_until = 0.0
        self._leading: dict[str, int | None] = {}

    def answer(self, now: float, run: str, token: int | None, valid_seconds: float) -> None:
        """``run`` is asked at ``now`` and says that it leads with ``token`` (None: that it does not)."""
        self.answers += 1
        self._notice(now, run, token)
        if token is None or now < self._off_until or now < self._excused.get(run, 0.0):
            return
        for other in self._promises.values():
            goes_on = (pod_of(other.run), other.token) == (pod_of(run), token)
            if not goes_on and other.run != run and other.until > now:
                self.violate(
                    now,
                    f"{run} (token {token}) leads while {other.run} (token {other.token}) promised "
                    f"at {other.sent_at:.4f} to lead until {other.until:.4f}",
                )
        self._check_token(now, run, token)
        until = now + valid_seconds
        last = self._promises.get(run)
        if last is None or last.until < until:
            self._promises[run] = Promise(run, token, now, until)

    def gave_up(self, run: str) -> None:
        """Its workload gave the lead up: what it promised before binds nobody any more."""
        self._forget(run)

    def excuse(self, now: float, run: str, seconds: float) -> None:
        """Somebody deleted its key or revoked its lease by hand (assumption b): its answers do not count for now."""
        self._forget(run)
        self._excused[run] = now + seconds

    def excuse_all(self, now: float, seconds: float) -> None:
        """History went back (assumption c): nothing said so far counts, nor what is said before all have seen it."""
        self._promises.clear()
        self._highest = None
        self._off_until = now + seconds

    def _forget(self, run: str) -> None:
        """Its promises, and those of earlier lives with which it went on."""
        for life in [life for life in self._promises if pod_of(life) == pod_of(run)]:
            del self._promises[life]

    def _check_token(self, now: float, run: str, token: int) -> None:
        if self._highest is not None:
            highest, by = self._highest
            if token < highest or (token == highest and pod_of(by) != pod_of(run)):
                self.violate(now, f"{run} leads with token {token}, after {by} with token {highest}")
                return
        self._highest = (token, run)

    def _notice(self, now: float, run: str, token: int | None) -> None:
        if self._leading.get(run) == token:
            return
        self._leading[run] = token
        self._trace.add(now, f"{run} " + ("does not lead" if token is None else f"leads with token {token}"))
        self.leaderships += token is not None

    def violate(self, now: float, what: str) -> None:
        """Something was found that must not be."""
        self._trace.add(now, f"VIOLATION {what}")
        self._trace.keep()
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(f"{now:.4f} {what}")
