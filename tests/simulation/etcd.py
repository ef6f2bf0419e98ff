"""A simulated etcd: members of which one leads, leases on etcd's rules, and everything that can go wrong with them.

Rules: ``server/lease/lessor.go`` (expiry scan every 0.5 s, minimum TTL, ``Promote`` extends every lease when another
member takes the lead), ``server/etcdserver/api/v3rpc/lease.go`` (a keepalive's header is filled before the lease is
renewed). A stale leader goes on acknowledging keepalives with its old term while another member leads; its linearizable
reads wait.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sidecar.election.queue import Header, LockKey
from sidecar.errors import EtcdError, EtcdUnavailable, NoSpace
from tests.simulation.keyspace import Keyspace
from tests.simulation.member import Member, Mode
from tests.simulation.trace import Trace
from tests.simulation.watcher import Watcher

SCAN_SECONDS = 0.5
MINIMUM_TTL_SECONDS = 2
ELECTION_TIMEOUT_SECONDS = 1.0
GIVE_UP_SECONDS = 7.0
"""After this long etcd gives up a request that waits for a leader."""


@dataclass(frozen=True)
class Work:
    """One request at a member: ``serve`` is called once it can be answered, ``refuse`` when it never will be."""

    serve: Callable[[Member], bool]
    """Does it and answers. False: not now, ask again when something has changed."""

    refuse: Callable[[EtcdError], None]


@dataclass(frozen=True)
class _Stuck:
    place: int
    since: float
    work: Work


class SimulatedEtcd:
    """``truth`` is what the cluster has agreed on. Call ``start`` in a running loop and ``close`` at the end."""

    def __init__(self, rng: Random, trace: Trace, *, members: int = 3, minimum_ttl: int = MINIMUM_TTL_SECONDS) -> None:
        self.rng, self.trace, self.minimum_ttl_seconds = rng, trace, minimum_ttl
        self.truth = Keyspace()
        self.cluster_id = rng.getrandbits(63)
        self.term = 2
        self.members = [Member(place, rng.getrandbits(63)) for place in range(members)]
        self.leader: int | None = 0
        self.no_space = False
        self.watchers: list[Watcher] = []
        self._stuck: list[_Stuck] = []
        self._election: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._tick = asyncio.get_running_loop().call_later(self.rng.uniform(0, SCAN_SECONDS), self._scan)

    def close(self) -> None:
        for timer in (self._tick, self._election):
            if timer is not None:
                timer.cancel()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def note(self, line: str) -> None:
        self.trace.add(self.now, f"etcd {line}")

    # Requests ---------------------------------------------------------------------------------------------------------

    def submit(self, place: int, work: Work) -> None:
        """A request has arrived at the member in this place."""
        if not self._attempt(place, work):
            self._stuck.append(_Stuck(place, self.now, work))

    def consensus(self, member: Member) -> bool:
        """Whether a linearizable read or a write through this member is answered now."""
        return member.mode is Mode.UP and self._commits()

    def header(self, member: Member) -> Header:
        return Header(self.cluster_id, member.member_id, self.truth.revision, member.term)

    def local_header(self, member: Member) -> Header:
        """Where no consensus is asked for: what this member has applied, which may lag."""
        return Header(self.cluster_id, member.member_id, member.revision, member.term)

    def keepalive(self, member: Member, lease_id: int) -> tuple[Header, int] | None:
        """What this member answers: the header and the TTL (0: no such lease); None while it has no answer."""
        header = self.local_header(member)
        leads = None if self.leader is None else self.members[self.leader]
        lessor = member if member.mode is Mode.STALE else leads
        if lessor is None or lessor.mode not in (Mode.UP, Mode.STALE):
            return None
        if lessor.mode is Mode.STALE:
            ttl = lessor.acknowledge(lease_id, self.now)
            return None if ttl is None else (header, ttl)
        lease = self.truth.leases.get(lease_id)
        if lease is None:
            return header, 0
        if lease.expires_at <= self.now:
            return None
        lease.expires_at = self.now + lease.ttl_seconds
        return header, lease.ttl_seconds

    def grant(self, ttl_seconds: int) -> tuple[int, int]:
        """A new lease: its id and the TTL granted. Raises ``NoSpace``."""
        self.check_space()
        lease_id = self.rng.getrandbits(62) + 1
        granted = max(ttl_seconds, self.minimum_ttl_seconds)
        self.truth.grant(lease_id, granted, self.now + granted)
        return lease_id, granted

    def lease_left(self, lease_id: int) -> tuple[float, float] | None:
        """The TTL granted and the whole seconds left; None for a lease that is gone."""
        lease = self.truth.leases.get(lease_id)
        return None if lease is None else (lease.ttl_seconds, max(0.0, float(int(lease.expires_at - self.now))))

    def check_space(self) -> None:
        if self.no_space:
            raise NoSpace("etcdserver: mvcc: database space exceeded")

    def by_hand(self, change: Callable[[Keyspace], object]) -> None:
        """Somebody else changes something: puts, deletes, revokes, compacts."""
        change(self.truth)
        self._publish()

    def _attempt(self, place: int, work: Work) -> bool:
        member = self.members[place]
        if member.mode in (Mode.DOWN, Mode.ISOLATED):
            work.refuse(EtcdUnavailable("connection refused" if member.mode is Mode.DOWN else "etcdserver: no leader"))
            return True
        if member.mode is Mode.FROZEN:
            return False
        done = work.serve(member)
        self._publish()
        return done

    def _retry_stuck(self) -> None:
        stuck, self._stuck = self._stuck, []
        for entry in stuck:
            if self.now - entry.since > GIVE_UP_SECONDS and self.members[entry.place].mode is not Mode.FROZEN:
                entry.work.refuse(EtcdUnavailable("etcdserver: request timed out"))
            elif not self._attempt(entry.place, entry.work):
                self._stuck.append(entry)

    def _publish(self) -> None:
        fresh = self.truth.take_fresh()
        if not fresh:
            return
        for event in fresh:
            self.note(f"r{event.revision} {event.name} {_shown(event.key)}")
            for watcher in self.watchers:
                watcher.offer(event)
        for member in self.members:
            if member.mode is Mode.UP and self.rng.random() < 0.8:
                member.revision = self.truth.revision

    # Watches ----------------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher, from_revision: int) -> bool:
        """Register; False when that revision has been compacted."""
        if from_revision < self.truth.compacted:
            return False
        self.watchers.append(watcher)
        for event in self.truth.events:
            if event.revision >= from_revision:
                watcher.offer(event)
        return True

    # Time -------------------------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        self._tick = asyncio.get_running_loop().call_later(SCAN_SECONDS, self._scan)
        if self._commits():
            for lease in [lease for lease in self.truth.leases.values() if lease.expires_at <= self.now]:
                self.note(f"lease {lease.lease_id:x} expires")
                self.truth.revoke(lease.lease_id)
            self._publish()
        self._retry_stuck()
        for watcher in list(self.watchers):
            watcher.check()

    # Members ----------------------------------------------------------------------------------------------------------

    def set_mode(self, place: int, mode: Mode, *, acks_seconds: float = 0.0) -> None:
        """Something happens to a member. ``acks_seconds``: how long a stale leader acknowledges keepalives."""
        member = self.members[place]
        if mode is Mode.STALE:
            member.acks_until = self.now + acks_seconds
            member.expiries = {lease.lease_id: lease.expires_at for lease in self.truth.leases.values()}
            member.ttls = {lease.lease_id: lease.ttl_seconds for lease in self.truth.leases.values()}
        if member.mode is Mode.STALE and self.leader == place:
            # nobody has taken the lead meanwhile: what it acknowledged holds
            for lease in self.truth.leases.values():
                lease.expires_at = member.expiries.get(lease.lease_id, lease.expires_at)
        member.mode, member.since = mode, self.now
        if mode is Mode.UP:
            member.term, member.revision = self.term, self.truth.revision
        self.note(f"member {place} is {mode}")
        self._changed()

    def elect(self, place: int) -> None:
        """This member takes the lead: a higher term, and all leases extended."""
        self.term += 1
        self.leader = place
        for member in self.members:
            if member.mode is Mode.UP:
                member.term = self.term
        for lease in self.truth.leases.values():
            lease.expires_at = self.now + lease.ttl_seconds + ELECTION_TIMEOUT_SECONDS
        self.note(f"member {place} leads in term {self.term}")
        self._changed()

    def restore(self, snapshot: Keyspace, *, same_cluster: bool) -> None:
        """All members start over from an older snapshot: streams end, leases get their whole TTL, the term is low."""
        self.truth = snapshot.snapshot()
        self.term = 1
        if not same_cluster:
            self.cluster_id = self.rng.getrandbits(63)
        for watcher in list(self.watchers):
            watcher.lose("restored")
        self._stuck = []
        for member in self.members:
            member.mode, member.revision = Mode.UP, self.truth.revision
        self.note(f"history goes back to r{self.truth.revision}, {'same' if same_cluster else 'another'} cluster id")
        self.elect(self.rng.randrange(len(self.members)))

    def network_changed(self) -> None:
        """A host's network was cut or mended."""
        for watcher in list(self.watchers):
            watcher.flush()

    def _commits(self) -> bool:
        return self.leader is not None and self.members[self.leader].mode is Mode.UP and self._quorum()

    def _quorum(self) -> bool:
        return 2 * sum(member.mode is Mode.UP for member in self.members) > len(self.members)

    def _changed(self) -> None:
        if not self._commits() and self._election is None:
            after = self.rng.uniform(ELECTION_TIMEOUT_SECONDS, 3 * ELECTION_TIMEOUT_SECONDS)
            self._election = asyncio.get_running_loop().call_later(after, self._hold_election)
        self._retry_stuck()
        self.network_changed()

    def _hold_election(self) -> None:
        self._election = None
        if self._commits():
            return
        if self._quorum():
            self.elect(self.rng.choice([member.place for member in self.members if member.mode is Mode.UP]))
        else:
            if self.leader is not None and self.members[self.leader].mode is not Mode.STALE:
                self.leader = None
            self._changed()


def _shown(key: LockKey | None) -> str:
    return "deleted" if key is None else f"= {key.identity!r} lease {key.lease_id:x} created r{key.create_revision}"
