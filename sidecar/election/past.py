"""What is known of the leadership before mine, and how long the verdict has to wait for its end.

etcd may revoke a lease that is in use: a leader of etcd's that stood still (a stopped process, a paused guest) and was
replaced meanwhile finds every lease expired when it goes on, and hands the revocations to the new leader (etcd
``server/etcdserver/server.go``, ``revokeExpiredLeases``: its ``ensureLeadership`` asks nobody once the raft loop has
ticked). It knows no lease that was granted in a later term than its own. So a key that went with its lease says that a
leadership is over only while etcd's term is the one the lease was granted in.

A sidecar that leads records so, just after its verdict is on: ``leader-sidecar.meta/leading/`` + lock. One that gives
the lead up on purpose leaves a mark, in the transaction that releases its key: ``leader-sidecar.meta/released/`` +
lock, the token.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sidecar.election.margin import MARGIN_RATIO, margin_seconds

_LEADING, _RELEASED = "leader-sidecar.meta/leading/", "leader-sidecar.meta/released/"
UNKNOWN_TERM = 0
"""Of no lease: etcd's terms begin at 1."""
MOST_ENDED = 4
PROBE_AGAIN_SECONDS = 0.25
"""A lease that runs out is looked at this often."""
LAST_PROBE_SECONDS = 1.0
"""Its last look must be no older: somebody might have renewed it since. etcd may be half a second late to end it."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """A sidecar's: the token, the raft term in which its lease was granted, and the TTL of that."""

    token: int
    raft_term: int
    ttl_seconds: float


@dataclass(frozen=True, slots=True)
class Past:
    """``last`` is the last recorded leadership of a sidecar, ``released`` the last token given up on purpose."""

    last: Leadership | None = None
    released: int | None = None


NO_PAST = Past()


@dataclass(frozen=True, slots=True)
class Probe:
    """How long a lease had left when etcd was asked at ``asked_at``: whole seconds, rounded down.

    ``earliest`` is the earliest bound that any look since its last renewal gave; see ``after``.
    """

    lease_id: int
    ttl_seconds: float
    left_seconds: float
    asked_at: float
    earliest: float = math.inf

    @property
    def runs_out(self) -> bool:
        """Whether nobody has renewed it for half its TTL."""
        return self.left_seconds + 1 <= self.ttl_seconds / 2

    @property
    def over_by(self) -> float:
        """When the lease has ended, if nobody renews it; clocks may drift apart."""
        return min(self.earliest, self.asked_at + (self.left_seconds + 1) * (1 + MARGIN_RATIO))

    def after(self, before: "Probe | None") -> "Probe":
        """This look, with what an earlier one still tells: it does where the lease was not renewed between them."""
        if before is None or before.lease_id != self.lease_id or self.asked_at + self.left_seconds >= before.over_by:
            return self
        return replace(self, earliest=before.over_by)

    def known_end(self, now: float) -> float | None:
        """When a lease that is gone now would have ended by itself at the latest; None if it may have been renewed."""
        return self.over_by if self.runs_out and now - self.asked_at < LAST_PROBE_SECONDS else None


@dataclass(frozen=True, slots=True)
class Ended:
    """A key that was the first is gone, as I know since ``noticed_at``.

    ``over_at``: its lease was seen running out, and would have ended by then.
    """

    token: int
    noticed_at: float
    over_at: float | None = None


def leading_name(lock: str) -> str:
    """Name of the key that records who leads: it stays when the leader's lease goes."""
    return _LEADING + lock


def released_name(lock: str) -> str:
    """Name of the key that marks the last orderly end of a leadership."""
    return _RELEASED + lock


def write_leadership(leadership: Leadership) -> str:
    fields = {"token": leadership.token, "raft_term": leadership.raft_term, "ttl_seconds": leadership.ttl_seconds}
    return json.dumps(fields)


def read_past(recorded: str | None, released: str | None) -> Past:
    """From the values of the two keys, None for one that is not there. What cannot be read counts as not there."""
    return Past(_leadership(recorded), _token(released))


def _leadership(text: str | None) -> Leadership | None:
    try:
        said = json.loads(text or "")
        return Leadership(int(said["token"]), int(said["raft_term"]), float(said["ttl_seconds"]))
    except (ValueError, TypeError, KeyError):
        return None


def _token(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def noticed(ended: tuple[Ended, ...], end: Ended) -> tuple[Ended, ...]:
    """With one more end; of one that is known already the first notice stands. Only the newest few are kept."""
    if any(known.token == end.token for known in ended):
        return ended
    return tuple(sorted((*ended, end), key=lambda known: known.token))[-MOST_ENDED:]


def verdict_waits_until(
    past: Past, ended: Iterable[Ended], *, own: int, raft_term: int, hold_off_seconds: float
) -> float | None:
    """Until when whoever now stands first must not lead; None for no wait.

    ``own`` is the token of my own last leadership: that one I need not fear. ``hold_off_seconds`` is waited out after
    every end that was no release, whoever led; the predecessor's TTL, and what clocks may drift apart, after one that
    etcd may have brought about too early. Every ``past.last`` has to be among ``ended``.
    """
    over = max(own, past.released or 0)  # whoever led by this token has waited for the end of all before it
    ends: Mapping[int, Ended] = {end.token: end for end in ended if end.token > over}
    waits = []
    if ends and hold_off_seconds:
        waits.append(ends[max(ends)].noticed_at + hold_off_seconds)
    last = past.last
    if last is not None and last.token in ends and last.raft_term != raft_term:
        end = ends[last.token]
        longest = end.noticed_at + last.ttl_seconds + margin_seconds(last.ttl_seconds)
        waits.append(longest if end.over_at is None else min(longest, end.over_at))
    return max(waits, default=None)
