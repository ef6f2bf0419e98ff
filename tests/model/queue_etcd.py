"""A tiny etcd for the search: keys in one queue, leases, and the changes that some watch may still ask for."""

from dataclasses import dataclass, replace

from sidecar.election.events import KeyChanged
from sidecar.election.past import NO_PAST, Leadership, Past
from sidecar.election.queue import Header, LockKey

LEASES_EACH = 16


@dataclass(frozen=True, slots=True)
class Etcd:
    """``leases`` are alive; ``granted`` counts those ever granted to each candidate; ``log`` is in revision order.

    ``noting``: what is noted of leaderships is kept in ``past``; else candidates have no right to that.
    """

    keys: tuple[LockKey, ...] = ()
    leases: frozenset[int] = frozenset()
    granted: tuple[int, ...] = (0, 0, 0)
    revision: int = 1
    term: int = 1
    log: tuple[KeyChanged, ...] = ()
    noting: bool = False
    past: Past = NO_PAST

    @property
    def header(self) -> Header:
        return Header(1, 1, self.revision, self.term)

    @property
    def first(self) -> LockKey | None:
        return min(self.keys, key=lambda key: key.create_revision, default=None)

    def key(self, name: str) -> LockKey | None:
        return next((key for key in self.keys if key.name == name), None)

    def next_lease(self, number: int) -> int:
        return (number + 1) * LEASES_EACH + self.granted[number]

    def grant(self, lease_id: int) -> "Etcd":
        number = lease_id // LEASES_EACH - 1
        granted = tuple(count + (place == number) for place, count in enumerate(self.granted))
        return replace(self, leases=self.leases | {lease_id}, granted=granted)

    def put(self, name: str, lease_id: int) -> "Etcd":
        """Create a key, or overwrite it: it keeps its create revision then."""
        revision = self.revision + 1
        old = self.key(name)
        created = old.create_revision if old else revision
        key = LockKey(name, created, 0, lease_id, "")  # nobody looks at the mod revision
        others = tuple(other for other in self.keys if other.name != name)
        return self._with(revision, (*others, key), KeyChanged(name, revision, key))

    def delete(self, *names: str) -> "Etcd":
        """Delete keys that are there, in one revision."""
        revision = self.revision + 1
        left = tuple(key for key in self.keys if key.name not in names)
        return self._with(revision, left, *(KeyChanged(name, revision, None) for name in names))

    def end_lease(self, lease_id: int) -> "Etcd":
        etcd = replace(self, leases=self.leases - {lease_id})
        names = [key.name for key in self.keys if key.lease_id == lease_id]
        return etcd.delete(*names) if names else etcd

    def record(self, leadership: Leadership) -> "Etcd":
        return replace(self, past=replace(self.past, last=leadership)) if self.noting else self

    def mark(self, token: int | None) -> "Etcd":
        noted = self.noting and token is not None
        return replace(self, past=replace(self.past, released=token)) if noted else self

    def elect(self) -> "Etcd":
        return replace(self, term=self.term + 1)

    def forget(self, up_to_revision: int) -> "Etcd":
        """Drop what no watch can ask for any more."""
        return replace(self, log=tuple(event for event in self.log if event.revision > up_to_revision))

    def _with(self, revision: int, keys: tuple[LockKey, ...], *events: KeyChanged) -> "Etcd":
        return replace(self, revision=revision, keys=keys, log=self.log + events)


def since(log: tuple[KeyChanged, ...], name: str, revision: int) -> tuple[KeyChanged, ...]:
    """What a watch that begins at this revision is sent first."""
    return tuple(event for event in log if event.name == name and event.revision >= revision)
