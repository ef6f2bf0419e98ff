"""The simulation's ``LockStore``: the port's whole contract, over a network that loses, delays and reorders."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sidecar.election.history import Fit, History, judge
from sidecar.election.lease import Renewal
from sidecar.election.member import member_name, members_below, members_of
from sidecar.election.past import NO_PAST, Past, Probe, leading_name, read_past, released_name
from sidecar.election.queue import Header, LockKey, QueueView, in_order, key_name
from sidecar.election.state import ABSENT
from sidecar.errors import EtcdError, EtcdUnavailable, HistoryWentBack, LeaseNotFound, WatchLost
from sidecar.etcd.port import ClaimAnswer, KeyEvent, Muster, Note, Value, WriteAnswer
from tests.simulation.etcd import SimulatedEtcd, Work
from tests.simulation.host import Host
from tests.simulation.member import Member
from tests.simulation.watcher import Watcher

T = TypeVar("T")
SILENT_STALL_CHANCE = 0.02
"""How many watches lose events without a word, where the host's network is a troubled one."""


@dataclass(frozen=True)
class Reply(Generic[T]):
    value: T | None
    error: EtcdError | None


class SimulatedStore:
    """One client of the simulated etcd, on one host. ``attempt_seconds`` are the host's."""

    def __init__(self, etcd: SimulatedEtcd, host: Host, attempt_seconds: float) -> None:
        self.etcd, self.host, self.attempt_seconds = etcd, host, attempt_seconds
        self.place = etcd.rng.randrange(len(etcd.members))
        self._history = History()
        self._watchers: list[Watcher] = []
        self._stream = 0

    # The port ---------------------------------------------------------------------------------------------------------

    async def grant(self, ttl_seconds: int) -> Renewal:
        sent_at = self.host.clock.now()
        header, (lease_id, granted) = await self._write(lambda: self.etcd.grant(ttl_seconds), local_header=True)
        return Renewal(lease_id, granted, sent_at, header)

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        sent_at, at_send = self.host.clock.now(), self._history
        self._stream += 1
        stream = self._stream

        def serve(member: Member) -> Reply[tuple[Header, int]] | None:
            answer = self.etcd.keepalive(member, lease_id)
            return None if answer is None else Reply(answer, None)

        header, ttl_seconds = await self._exchange(serve, timeout_seconds, stream)
        self._check(header, at_send, linearizable=False)
        return Renewal(lease_id, ttl_seconds, sent_at, header)

    async def revoke(self, lease_id: int) -> None:
        def apply() -> None:
            try:
                self.etcd.truth.revoke(lease_id)
            except LeaseNotFound:
                return

        await self._write(apply, local_header=True)

    async def refuses_claims(self) -> bool:
        return False

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        name = key_name(lock, lease_id)

        def apply() -> tuple[LockKey, list[LockKey], Past]:
            mine = self.etcd.truth.keys.get(name)
            if mine is None:
                self.etcd.check_space()
                mine = self.etcd.truth.put(name, lease_id, identity)
                if member is not None:
                    self.etcd.truth.put(member_name(lock, lease_id), lease_id, member, same_revision=True)
            return mine, self.etcd.truth.below(lock), NO_PAST if member is None else self._past(lock)

        header, (mine, keys, past) = await self._write(apply)
        view = queue_view(header, lock, keys, name, mine.create_revision, past) if with_queue else None
        return ClaimAnswer(header, mine, view)

    async def look(self, lock: str, mine: str, revision: int | None, *, past: bool = False) -> QueueView:
        def read() -> tuple[list[LockKey], Past]:
            return self.etcd.truth.below(lock), self._past(lock) if past else NO_PAST

        header, (keys, told) = await self._write(read)
        return queue_view(header, lock, keys, mine, revision, told)

    async def probe(self, lease_id: int) -> Probe | None:
        sent_at = self.host.clock.now()
        _, probe = await self._write(lambda: self.etcd.lease_left(lease_id), local_header=True)
        return None if probe is None else Probe(lease_id, probe[0], probe[1], sent_at)

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        return await self._write(lambda: self.etcd.truth.keys.get(mine))

    async def record(self, mine: str, create_revision: int, note: Note) -> tuple[Header, LockKey | None]:
        def apply() -> LockKey | None:
            key = self.etcd.truth.keys.get(mine)
            if key is not None and key.create_revision == create_revision:
                self.etcd.check_space()
                self.etcd.truth.put(note.name, 0, note.value)
            return key

        return await self._write(apply)

    async def release(self, name: str, create_revision: int, mark: Note | None = None) -> bool:
        def apply() -> bool:
            key = self.etcd.truth.keys.get(name)
            if key is None or key.create_revision != create_revision:
                return False
            return self._delete([name], mark) == 1

        _, released = await self._write(apply)
        return released

    async def candidates(self, lock: str) -> tuple[Header, tuple[LockKey, ...]]:
        header, keys = await self._write(lambda: self.etcd.truth.below(lock))
        return header, tuple(keys)

    async def muster(self, lock: str) -> Muster:
        where = members_below(lock)

        def read() -> tuple[list[LockKey], list[LockKey]]:
            return self.etcd.truth.below(lock), self.etcd.truth.below(where)

        header, (keys, members) = await self._write(read)
        return Muster(header, tuple(keys), members_of(where, members))

    async def shift(self, kept: Sequence[LockKey], gone: Sequence[LockKey], mark: Note | None = None) -> bool:
        def apply() -> bool:
            there = self.etcd.truth.keys
            for key in (*kept, *gone):
                if key.name not in there or there[key.name].create_revision != key.create_revision:
                    return False
            self._delete([key.name for key in gone], mark)
            return True

        _, done = await self._write(apply)
        return done

    async def read_value(self, name: str) -> Value | None:
        _, found = await self._write(lambda: self.etcd.truth.keys.get(name))
        return None if found is None else Value(found.identity.encode("latin-1"), found.mod_revision)

    async def write_value(
        self, name: str, content: bytes | None, *, revision: int, leader: str, token: int
    ) -> WriteAnswer:
        def apply() -> tuple[bool, bool]:
            if content is not None:
                self.etcd.check_space()
            led, unchanged = self._guards(name, revision, leader, token)
            if not led or not unchanged:
                return led, False
            if content is None:
                self.etcd.truth.delete([name])
            else:
                self.etcd.truth.put(name, 0, content.decode("latin-1"))
            return led, True

        header, (led, done) = await self._write(apply)
        return WriteAnswer(header.revision if done else None, led)

    def _guards(self, name: str, revision: int, leader: str, token: int) -> tuple[bool, bool]:
        """Whether the leader's key is still that of ``token``, and the value that of ``revision``."""
        there = self.etcd.truth.keys
        led = leader in there and there[leader].create_revision == token
        return led, revision == (there[name].mod_revision if name in there else ABSENT)

    async def watch(self, name: str, from_revision: int) -> AsyncGenerator[KeyEvent, None]:
        watcher = await self._open_watch(name, from_revision)
        try:
            while True:
                yield await watcher.next()
        finally:
            self._forget(watcher)

    async def close(self) -> None:
        for watcher in list(self._watchers):
            watcher.end(WatchLost("the store was closed"))

    def _past(self, lock: str) -> Past:
        found = [self.etcd.truth.keys.get(name) for name in (leading_name(lock), released_name(lock))]
        return read_past(*(key.identity if key else None for key in found))

    def _delete(self, names: Sequence[str], mark: Note | None) -> int:
        """In one revision, with the mark."""
        if mark is not None:
            self.etcd.check_space()
        deleted = self.etcd.truth.delete(names)
        if mark is not None:
            self.etcd.truth.put(mark.name, 0, mark.value, same_revision=True)
        return deleted

    # One exchange -----------------------------------------------------------------------------------------------------

    async def _write(self, apply: Callable[[], T], *, local_header: bool = False) -> tuple[Header, T]:
        """One linearizable transaction, within one attempt's deadline. A lease's answer bears a member's own header."""
        at_send = self._history

        def serve(member: Member) -> Reply[tuple[Header, T]] | None:
            if not self.etcd.consensus(member):
                return None
            try:
                value = apply()
            except EtcdError as error:
                return Reply(None, error)
            header = self.etcd.local_header(member) if local_header else self.etcd.header(member)
            return Reply((header, value), None)

        header, value = await self._exchange(serve, self.attempt_seconds, None)
        self._check(header, at_send, linearizable=not local_header)
        return header, value

    async def _exchange(
        self, serve: Callable[[Member], Reply[T] | None], timeout_seconds: float, stream: int | None
    ) -> T:
        """Send, wait, and leave the endpoint when its time is up. ``stream``: the keepalive attempt this is."""
        place = self.place
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply[T]] = loop.create_future()

        def settle(reply: Reply[T]) -> bool:
            if answer.done():
                return False
            answer.set_result(reply)
            return True

        def arrive(reply: Reply[T]) -> None:
            if stream not in (None, self._stream) or not settle(reply):
                self._comes_late(reply, stream)

        if stream is not None:
            self._attempt_begins(settle)
        self._send(place, serve, arrive)
        expired: Reply[T] = Reply(None, EtcdUnavailable(f"member {place}: no answer in time"))
        timer = loop.call_later(
            timeout_seconds / self.host.rate, lambda: self.host.deliver(lambda: settle(expired), timer=True)
        )
        try:
            reply = await answer
        finally:
            timer.cancel()
        if reply.error is not None:
            if isinstance(reply.error, EtcdUnavailable):
                self._leave(place)
            raise reply.error
        return reply.value  # type: ignore[return-value]  # one of the two is there

    def _attempt_begins(self, settle: Callable[[Reply[Any]], bool]) -> None:
        """A keepalive is about to be sent, on a stream of which nothing is outstanding."""

    def _comes_late(self, reply: Reply[Any], stream: int | None) -> None:
        """Nobody waits for this any more. A keepalive's stream was cancelled with its attempt: it does not count."""

    def _send(self, place: int, serve: Callable[[Member], Reply[T] | None], arrive: Callable[[Reply[T]], None]) -> None:
        network, rng, loop = self.host.network, self.etcd.rng, asyncio.get_running_loop()
        etcd, host = self.etcd, self.host

        def send_back(reply: Reply[T]) -> None:
            if network.reaches(place) and rng.random() >= network.answer_lost:
                loop.call_later(network.delay(rng, network.answer_late), lambda: host.deliver(lambda: arrive(reply)))

        def serve_at(member: Member) -> bool:
            reply = serve(member)
            if reply is not None:
                send_back(reply)
            return reply is not None

        work = Work(serve_at, lambda error: send_back(Reply(None, error)))
        if not host.dead and network.reaches(place) and rng.random() >= network.request_lost:
            loop.call_later(network.delay(rng, network.request_late), lambda: etcd.submit(place, work))
        host.sent()

    def _leave(self, place: int) -> None:
        """Try the next endpoint from now on; what ran through this one ends."""
        if self.place != place:
            return
        self.place = (place + 1) % len(self.etcd.members)
        for watcher in list(self._watchers):
            watcher.end(WatchLost(f"member {place} was left"))

    # Watches ----------------------------------------------------------------------------------------------------------

    async def _open_watch(self, name: str, from_revision: int) -> Watcher:
        place, at_send = self.place, self._history
        watcher = Watcher(name, self.etcd.members[place], self.host, self.etcd.rng, self._forget)
        troubled = self.host.network.answer_lost > 0
        watcher.stalled = troubled and self.etcd.rng.random() < SILENT_STALL_CHANCE

        def serve(member: Member) -> Reply[Header] | None:
            if watcher.lost is not None or not self.etcd.watch(watcher, from_revision):
                return Reply(None, WatchLost(f"{name}: compacted"))
            self._watchers.append(watcher)
            return Reply(self.etcd.local_header(member), None)

        try:
            header = await self._exchange(serve, self.attempt_seconds, None)
            self._check(header, at_send, linearizable=False)
        except (WatchLost, HistoryWentBack):
            watcher.end(WatchLost(f"{name}: not to be had"))
            raise
        except EtcdError as error:
            watcher.end(WatchLost(f"{name}: {error}"))
            raise WatchLost(f"{name}: {error}") from error
        except BaseException:
            watcher.end(WatchLost(f"{name}: given up"))
            raise
        return watcher

    def _forget(self, watcher: Watcher) -> None:
        for known in (self._watchers, self.etcd.watchers):
            if watcher in known:
                known.remove(watcher)

    def _check(self, header: Header, at_send: History, *, linearizable: bool) -> None:
        fit, self._history = judge(self._history, at_send, header, linearizable=linearizable)
        if fit is Fit.OUTDATED:
            raise EtcdUnavailable("asked before history was found to have gone back")
        if fit is Fit.WENT_BACK:
            for watcher in list(self._watchers):
                watcher.end(WatchLost("history went back"))
            raise HistoryWentBack(f"revision {header.revision} of cluster {header.cluster_id:x}")


def queue_view(
    header: Header, lock: str, keys: list[LockKey], mine: str, revision: int | None, past: Past = NO_PAST
) -> QueueView:
    """What a read that found ``keys`` shows to the owner of ``mine``."""
    ordered, ignored = in_order(lock, keys)
    ahead = [key for key in ordered if revision is not None and key.create_revision < revision]
    return QueueView(
        header=header,
        first=ordered[0] if ordered else None,
        mine=next((key for key in keys if key.name == mine), None),
        ahead=ahead[-1] if ahead else None,
        count=len(keys),
        ignored=ignored,
        past=past,
    )
