"""What the elector needs of etcd. ``sidecar.etcd.store`` is the real one; the simulation brings another.

Every method raises the ``EtcdError`` tree and nothing else (cancellation aside), and answers or raises within the
store's own attempt deadline. All reads are linearizable. Every answer's header has been held against the history seen
before: ``HistoryWentBack`` is raised where it does not fit.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.election.lease import Renewal
from sidecar.election.past import Probe
from sidecar.election.queue import Header, LockKey, QueueView


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One change of a watched key: ``key`` is its new state, None when it was deleted. ``revision`` is the change's."""

    name: str
    revision: int
    key: LockKey | None


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """My key after a claim, put by this very transaction or by an earlier one whose answer was lost.

    ``mine.lease_id`` is another's where somebody made or moved that key by hand: then it is no claim. ``view`` is None
    where the queue was not read along (``with_queue`` false, or the queue is long).
    """

    header: Header
    mine: LockKey
    view: QueueView | None


@dataclass(frozen=True, slots=True)
class Muster:
    """A lock at one revision: all its keys in create-revision order, and the member keys' values by lease hex."""

    header: Header
    keys: tuple[LockKey, ...]
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """A key without a lease, put along with something else."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value that a leader has put, and the revision of that change."""

    content: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What became of a guarded write: its ``revision``, None where nothing was done.

    ``led`` is whether the leader's key was still there, with its token.
    """

    revision: int | None
    led: bool


class ValueStore(Protocol):
    async def read_value(self, name: str) -> Value | None:
        """Read one value; None where there is none."""

    async def write_value(
        self, name: str, content: bytes | None, *, revision: int, leader: str, token: int
    ) -> WriteAnswer:
        """Put a value (None: delete it), if it is still that of ``revision`` and key ``leader`` that of ``token``.

        ``token`` is the key's creation, ``revision`` the value's last change, 0 for a value that is not there; one that
        no value can have fails. One transaction, not repeated once it may have had an effect, which it would not know
        again: after ``EtcdUnavailable`` it may have been done, or may yet be.
        """


class LockStore(ValueStore, Protocol):
    async def grant(self, ttl_seconds: int) -> Renewal:
        """A new lease. Counts as its first renewal (it went through consensus)."""

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        """One keepalive on the session's stream; past ``timeout_seconds`` the stream and its endpoint are left.

        A lease that is gone is an answer (``ttl_seconds`` <= 0), not an error.
        """

    async def revoke(self, lease_id: int) -> None:
        """Give the lease back, and with it every key attached to it. A lease that is gone is fine."""

    async def probe(self, lease_id: int) -> Probe | None:
        """How long a lease has left, as etcd's leader has it, without consensus; None for one that is gone."""

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        """Put my key unless it is there, in one transaction; repeating it resolves a claim whose answer was lost.

        With it goes the member key with this value, on the same lease, where ``member`` is given; the queue then comes
        with its past.
        """

    async def look(self, lock: str, mine: str, revision: int | None, *, past: bool = False) -> QueueView:
        """Read the queue: first, my own key ``mine``, the nearest ahead of ``revision`` (None: nobody's ahead).

        ``past``: and what was noted of earlier leaderships.
        """

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        """Read one key."""

    async def record(self, mine: str, create_revision: int, note: Note) -> tuple[Header, LockKey | None]:
        """As ``confirm``; and put ``note``, if the key has this create revision."""

    async def release(self, name: str, create_revision: int, mark: Note | None = None) -> bool:
        """Delete the key if its create revision is this one. False: it was not there any more, or another's.

        ``mark`` is put in the same transaction. A full etcd (NOSPACE) refuses to put anything.
        A full etcd (NOSPACE) older than 3.4.20 or 3.5.7 refuses it; giving the lease back works always.
        """

    async def candidates(self, lock: str) -> tuple[Header, tuple[LockKey, ...]]:
        """All keys below the lock, candidates or not, in create-revision order."""

    async def muster(self, lock: str) -> Muster:
        """Read the whole lock and its member keys. Raises ``PermissionDenied`` for want of rights to those."""

    async def shift(self, kept: Sequence[LockKey], gone: Sequence[LockKey], mark: Note | None = None) -> bool:
        """Delete all of ``gone`` in one transaction, if they and all of ``kept`` have these create revisions.

        False: one of them has not, and nothing was done. At most 128 keys in all. ``mark`` as for ``release``, which
        see also for a full etcd.
        """

    async def refuses_claims(self) -> bool:
        """Whether etcd's NOSPACE alarm is on: who gives a place up now cannot stand in line again."""

    def watch(self, name: str, from_revision: int) -> AsyncGenerator[KeyEvent, None]:
        """Changes of one key from that revision on; ends by raising ``WatchLost``, never silently.

        ``HistoryWentBack`` instead, where the watch itself shows another cluster.
        """

    async def close(self) -> None:
        """Close all channels and streams."""
