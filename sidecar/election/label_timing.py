"""When the label is looked at again, and how long to back off. Seconds; ``chance`` is a random number in [0, 1)."""

from sidecar.election.label import Failure

LEADER_RESYNC_SECONDS = 60.0
FOLLOWER_RESYNC_SECONDS = 300.0

CAREFUL_LOOKS_SECONDS = (1.0, 5.0, 20.0, 60.0)
"""After a start, and after a write whose answer was lost: a request may land as long as the API server works on it,
which it does for up to a minute by default."""

START_SECONDS = 2.0
"""How long joining may wait for a previous run's label to be put right while the API is away."""

UNAUTHORIZED_SECONDS = 5.0
"""How long every call must meet 401 before the pod counts as gone: an API server that starts refuses some."""

_FIRST_SECONDS = {Failure.LOST: 0.1, Failure.CONFLICT: 0.01, Failure.GONE: 0.1, Failure.REFUSED: 1.0}
LEADER_LOST_SECONDS = 2.0
"""While a leader's label is missing a Service has nobody to route to: an absent API server is tried this often."""
_LONGEST_SECONDS = {Failure.LOST: 10.0, Failure.CONFLICT: 1.0, Failure.GONE: 5.0, Failure.REFUSED: 60.0}


def resync_seconds(*, leads: bool, chance: float) -> float:
    """Until the next look at a label that is as it should be, spread by a fifth to both sides."""
    period = LEADER_RESYNC_SECONDS if leads else FOLLOWER_RESYNC_SECONDS
    return period * (0.8 + 0.4 * chance)


def careful_looks(now: float, chance: float) -> tuple[float, ...]:
    """The moments at which a write of an earlier run, or one whose answer was lost, is looked for."""
    return tuple(now + seconds * (1 + 0.2 * chance) for seconds in CAREFUL_LOOKS_SECONDS)


def backoff_seconds(failure: Failure, failures: int, chance: float, *, leads: bool) -> float:
    """After the ``failures``-th failure of this kind in a row. A first conflict is mere kubelet news: no delay."""
    if failure is Failure.CONFLICT and failures == 1:
        return 0.0
    at_most = LEADER_LOST_SECONDS if leads and failure is Failure.LOST else _LONGEST_SECONDS[failure]
    longest = min(at_most, _FIRST_SECONDS[failure] * 2.0 ** min(failures - 1, 20))
    return longest * (0.5 + 0.5 * chance)


def hold_seconds(holds: int, chance: float) -> float:
    """Before looking again at a peer that bears a higher token, for the ``holds``-th time in a row."""
    return min(10.0, 0.2 * 2.0 ** min(holds - 1, 20)) * (0.5 + 0.5 * chance)
