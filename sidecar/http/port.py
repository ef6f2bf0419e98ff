"""What the HTTP side needs of an election. The elector is one; HTTP itself decides nothing."""

from collections.abc import Sequence
from typing import Protocol

from sidecar.election.queue import LockKey
from sidecar.election.verdict import Transition, View
from sidecar.etcd.port import Value


class State(Protocol):
    async def read(self, key: str) -> Value | None:
        """What stands there now, None for nothing. Raises ``EtcdError``."""

    async def write(self, key: str, content: bytes | None, *, revision: int) -> int:
        """Put ``content``, or with None delete, if the value is still that of ``revision``; the change's revision.

        Raises ``NotLeading``, ``ValueChanged`` and ``EtcdError``.
        """


class Hold(Protocol):
    """A connection to which a leadership is tied."""

    def closed(self) -> None:
        """The workload's end has gone."""

    def let_go(self) -> None:
        """This side ends it: it has no say any more."""


class Election(Protocol):
    @property
    def lock(self) -> str:
        """The lock's name, below which the candidates' keys stand."""

    @property
    def state(self) -> State:
        """The values that only the leader can write."""

    def view(self) -> View:
        """The verdict, computed now."""

    def promise(self, view: View) -> float | None:
        """A deadline to hand out (CLOCK_BOOTTIME seconds), capped by ``--max-promise`` and kept for the step-down.

        None when the view is not a leader's. Whoever calls this hands the deadline out.
        """

    def open_hold(self, token: int) -> Hold:
        """Tie the lead that has this token to a connection. Raises ``TooManyHolds``."""

    async def changed(self, version: str) -> None:
        """Return once the view's version is another than ``version``; at once if it already is."""

    async def candidates(self) -> tuple[int, Sequence[LockKey]]:
        """The revision of the read and the queue in order, candidates only; read from etcd at most once a second.

        Raises ``EtcdError``.
        """

    def history(self) -> Sequence[Transition]:
        """The last 100 transitions, newest first."""

    async def resign(self, *, drain: bool) -> None:
        """Give the lead up and rejoin at the tail. Returns once the key is released (or its lease has ended).

        Raises ``NotLeading``.
        """

    async def transfer(self, to: str) -> None:
        """Hand the lead over to the candidate called ``to``, after a drain, and rejoin at the tail.

        Raises ``NotLeading``, ``UnknownCandidate``, ``CannotTransfer`` and ``EtcdError``.
        """


class Health(Protocol):
    def wedged(self) -> str | None:
        """Why this sidecar cannot keep what it claims, None while it can. An etcd outage is no reason."""

    def unready(self, *, strict: bool) -> str | None:
        """Why it is not ready, None when it is. ``strict`` asks for session, queue and label in sync as well."""

    def label_in_sync(self) -> bool | None:
        """Whether the pod's label is known to say what the verdict says; None where there is no label."""
