"""The lock store on real etcd: each request one transaction and one attempt, each answer held against the history."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from sidecar.clock import Clock
from sidecar.election.history import Fit, History, judge
from sidecar.election.lease import Renewal
from sidecar.election.member import member_name, members_below, members_of
from sidecar.election.past import Past, Probe
from sidecar.election.queue import Header, LockKey, QueueView, in_order, key_name, lease_hex
from sidecar.errors import EtcdError, EtcdUnavailable, HistoryWentBack, LeaseNotFound, WatchLost
from sidecar.etcd import keys
from sidecar.etcd.attempts import Attempts, Metadata
from sidecar.etcd.auth import Tokens
from sidecar.etcd.census import Census
from sidecar.etcd.connections import Connection, Connections
from sidecar.etcd.keepalive import Keepalive
from sidecar.etcd.port import ClaimAnswer, KeyEvent, Muster, Note, Value, WriteAnswer
from sidecar.etcd.protocol import rpc
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.watch import WatchStream, events_of
from sidecar.metrics import Metrics


@dataclass(frozen=True, slots=True)
class _Answer:
    """``at_send`` is the history as it was known when the request was sent, at ``sent_at`` of the clock."""

    body: Any
    at_send: History
    sent_at: float


class EtcdStore:
    """See ``sidecar.etcd.port.LockStore``. One per process: it holds one channel and the session's keepalive stream."""

    def __init__(self, settings: EtcdSettings, clock: Clock, metrics: Metrics) -> None:
        """Raises ``SettingError``. Nothing is connected yet."""
        self._attempt_seconds = settings.attempt_seconds
        self._clock = clock
        self._metrics = metrics
        self._connections = Connections(settings, metrics)
        self._tokens = Tokens(settings, self._connections, clock, random.Random())  # noqa: S311 (jitter)
        self._attempts = Attempts(self._connections, self._tokens, self._reached)
        self._census = Census(self._connections, self._tokens, metrics, settings.attempt_seconds)
        self._keepalive = Keepalive(clock)
        self._history = History()

    async def grant(self, ttl_seconds: int) -> Renewal:
        with self._counting():
            request = rpc.LeaseGrantRequest(TTL=ttl_seconds)
            answer = await self._ask(lambda etcd: etcd.lease.LeaseGrant, request)
            header = await self._admit(answer, linearizable=False)
            return Renewal(answer.body.ID, float(answer.body.TTL), answer.sent_at, header)

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        with self._counting():
            return await self._renew(lease_id, timeout_seconds)

    async def revoke(self, lease_id: int) -> None:
        with self._counting():
            request = rpc.LeaseRevokeRequest(ID=lease_id)
            try:
                answer = await self._ask(lambda etcd: etcd.lease.LeaseRevoke, request)
            except LeaseNotFound:
                return
            await self._admit(answer, linearizable=False)

    async def probe(self, lease_id: int) -> Probe | None:
        request = rpc.LeaseTimeToLiveRequest(ID=lease_id)
        with self._counting():
            answer = await self._ask(lambda etcd: etcd.lease.LeaseTimeToLive, request)
            await self._admit(answer, linearizable=False)
        left, granted = answer.body.TTL, answer.body.grantedTTL
        return None if left < 0 else Probe(lease_id, float(granted), float(left), answer.sent_at)

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        name = key_name(lock, lease_id)
        others = {} if member is None else {member_name(lock, lease_id): member}
        past = [] if member is None else keys.past_of(lock)
        along = [keys.below(lock, limit=keys.SHORT_QUEUE), *past] if with_queue else []
        with self._counting():
            header, body = await self._transact(keys.claiming(name, lease_id, identity, along, others))
        if body.succeeded:
            mine = LockKey(name, header.revision, header.revision, lease_id, identity)
        else:
            mine = keys.key_of(body.responses[0].response_range.kvs[0], name)
        view = None
        if with_queue and not body.responses[1].response_range.more:
            found = keys.keys_below(lock, body.responses[1].response_range.kvs)
            told = [response.response_range for response in body.responses[2 : 2 + len(past)]]
            view = _view(lock, header, found, name, mine.create_revision, keys.past_in(told))
        return ClaimAnswer(header, mine, view)

    async def look(self, lock: str, mine: str, revision: int | None, *, past: bool = False) -> QueueView:
        along = keys.past_of(lock) if past else []
        with self._counting():
            ends = asyncio.get_running_loop().time() + self._attempt_seconds
            header, (queue, *told) = await self._read_all([keys.below(lock, limit=keys.SHORT_QUEUE), *along], ends)
            if queue.more and (view := await self._glance(lock, mine, revision, along, ends)) is not None:
                return view
            if queue.more:
                header, (queue, *told) = await self._read_all([keys.below(lock), *along], ends)
        return _view(lock, header, keys.keys_below(lock, queue.kvs), mine, revision, keys.past_in(told))

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        with self._counting():
            header, body = await self._read(keys.one_key(mine))
        return header, _own(mine, body)

    async def record(self, mine: str, create_revision: int, note: Note) -> tuple[Header, LockKey | None]:
        with self._counting():
            header, body = await self._transact(keys.recording(mine, create_revision, note))
        return header, _own(mine, body.responses[0].response_range)

    async def release(self, name: str, create_revision: int, mark: Note | None = None) -> bool:
        with self._counting():
            _, body = await self._transact(keys.releasing(name, create_revision, mark))
        return bool(body.succeeded)

    async def candidates(self, lock: str) -> tuple[Header, tuple[LockKey, ...]]:
        with self._counting():
            header, body = await self._read(keys.below(lock))
        return header, tuple(keys.keys_below(lock, body.kvs))

    async def muster(self, lock: str) -> Muster:
        where = members_below(lock)
        with self._counting():
            header, (queue, members) = await self._read_all([keys.below(lock), keys.below(where)])
        said = members_of(where, keys.keys_below(where, members.kvs))
        return Muster(header, tuple(keys.keys_below(lock, queue.kvs)), said)

    async def shift(self, kept: Sequence[LockKey], gone: Sequence[LockKey], mark: Note | None = None) -> bool:
        with self._counting():
            _, body = await self._transact(keys.shifting(kept, gone, mark))
        return bool(body.succeeded)

    async def read_value(self, name: str) -> Value | None:
        with self._counting():
            _, body = await self._read(keys.one_key(name))
        return Value(body.kvs[0].value, body.kvs[0].mod_revision) if body.kvs else None

    async def write_value(
        self, name: str, content: bytes | None, *, revision: int, leader: str, token: int
    ) -> WriteAnswer:
        with self._counting():
            # repeated, it would take what it did the first time for another's change
            header, body = await self._transact(keys.writing(name, content, revision, leader, token), once=True)
        if body.succeeded:
            return WriteAnswer(header.revision, led=True)
        found = body.responses[0].response_range.kvs
        return WriteAnswer(None, led=bool(found) and found[0].create_revision == token)

    async def refuses_claims(self) -> bool:
        request = rpc.AlarmRequest(action=rpc.AlarmRequest.GET, alarm=rpc.NOSPACE)
        with self._counting():
            answer = await self._ask(lambda etcd: etcd.maintenance.Alarm, request)
        return bool(answer.body.alarms)

    async def watch(self, name: str, from_revision: int) -> AsyncGenerator[KeyEvent, None]:
        with self._counting():
            try:
                async with aclosing(self._events(name, from_revision)) as events:
                    async for event in events:
                        yield event
            except (WatchLost, HistoryWentBack):
                raise
            except EtcdError as error:
                raise WatchLost(f"no watch: {error}") from error

    async def close(self) -> None:
        self._keepalive.drop()
        await self._census.close()
        await self._tokens.close()
        await self._connections.close()

    # how ------------------------------------------------------------------------------------------------------------

    async def _renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        async def act(connection: Connection, metadata: Metadata) -> tuple[Renewal, History]:
            at_send = self._history
            return await self._keepalive.exchange(connection, metadata, lease_id), at_send

        renewal, at_send = await self._attempts.run(act, timeout_seconds)
        self._metrics.keepalive.observe(self._clock.now() - renewal.sent_at)
        await self._fit(renewal.header, at_send, linearizable=False)
        return renewal

    async def _events(self, name: str, from_revision: int) -> AsyncGenerator[KeyEvent, None]:
        request = keys.watching(name, from_revision)

        async def act(connection: Connection, metadata: Metadata) -> tuple[WatchStream, History]:
            at_send = self._history
            return await WatchStream.open(connection, metadata, request), at_send

        stream, at_send = await self._attempts.run(act, self._attempt_seconds)
        try:
            await self._fit(keys.header_of(stream.header), at_send, linearizable=False)
            async with aclosing(stream.answers()) as answers:
                async for answer in answers:
                    await self._fit(keys.header_of(answer.header), at_send, linearizable=False)
                    for event in events_of(answer, name):
                        yield event
        finally:
            await stream.close()

    async def _glance(
        self, lock: str, mine: str, revision: int | None, along: Sequence[Any], ends: float
    ) -> QueueView | None:
        """A long queue's ends and mine, at one revision; None where a key that no candidate can have is in the way."""
        ranges = [keys.below(lock, limit=1), keys.one_key(mine), *along]
        if revision is not None and revision > 1:
            ranges.append(keys.below(lock, descending=True, limit=1, up_to_revision=revision - 1))
        header, (queue, own, *more) = await self._read_all(ranges, ends)
        told, before = more[: len(along)], more[len(along) :]
        first, ahead = _first(lock, queue), _first(lock, before[0]) if before else None
        if any(key is not None and lease_hex(lock, key.name) is None for key in (first, ahead)):
            return None
        return QueueView(header, first, _own(mine, own), ahead, queue.count, past=keys.past_in(told))

    async def _read_all(self, ranges: Sequence[Any], ends: float | None = None) -> tuple[Header, list[Any]]:
        """Several reads at one revision; a single one costs etcd less than a transaction."""
        if len(ranges) == 1:
            header, body = await self._read(ranges[0], ends)
            return header, [body]
        header, body = await self._transact(keys.reading(*ranges), ends)
        return header, [response.response_range for response in body.responses]

    async def _transact(self, request: Any, ends: float | None = None, *, once: bool = False) -> tuple[Header, Any]:
        answer = await self._ask(lambda etcd: etcd.kv.Txn, request, ends, once=once)
        return await self._admit(answer, linearizable=True), answer.body

    async def _read(self, request: Any, ends: float | None = None) -> tuple[Header, Any]:
        answer = await self._ask(lambda etcd: etcd.kv.Range, request, ends)
        return await self._admit(answer, linearizable=True), answer.body

    async def _ask(
        self, method: Callable[[Connection], Any], request: Any, ends: float | None = None, *, once: bool = False
    ) -> _Answer:
        """One attempt, which ends with the loop's time ``ends`` where several share one deadline."""

        async def act(connection: Connection, metadata: Metadata) -> _Answer:
            at_send, sent_at = self._history, self._clock.now()
            return _Answer(await method(connection)(request, metadata=metadata), at_send, sent_at)

        left = self._attempt_seconds if ends is None else max(0.0, ends - asyncio.get_running_loop().time())
        return await self._attempts.run(act, left, once=once)

    async def _admit(self, answer: _Answer, *, linearizable: bool) -> Header:
        header = keys.header_of(answer.body.header)
        await self._fit(header, answer.at_send, linearizable=linearizable)
        return header

    async def _fit(self, header: Header, at_send: History, *, linearizable: bool) -> None:
        seen = self._history
        fit, self._history = judge(seen, at_send, header, linearizable=linearizable)
        if fit is Fit.OUTDATED:
            raise EtcdUnavailable(
                "asked before etcd's history was found to have gone back: the answer counts for nothing"
            )
        if fit is Fit.WENT_BACK:
            # ends all streams: none may be resumed in another history
            await self._connections.start_over()
            raise HistoryWentBack(
                f"etcd's history went back: cluster {header.cluster_id:x} at revision {header.revision},"
                f" after cluster {seen.cluster_id:x} at revision {seen.revision}"
            )

    def _reached(self, connection: Connection) -> None:
        if self._connections.answered(connection):
            self._census.begin()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except EtcdError as error:
            self._metrics.failures.labels(error.kind).inc()
            raise


def _first(lock: str, answer: Any) -> LockKey | None:
    return keys.keys_below(lock, answer.kvs[:1])[0] if answer.kvs else None


def _own(name: str, answer: Any) -> LockKey | None:
    return keys.key_of(answer.kvs[0], name) if answer.kvs else None


def _view(lock: str, header: Header, found: list[LockKey], mine: str, revision: int | None, past: Past) -> QueueView:
    """The queue from all keys below the lock."""
    queue, ignored = in_order(lock, found)
    ahead = [key for key in queue if revision is not None and key.create_revision < revision]
    own = next((key for key in found if key.name == mine), None)
    return QueueView(
        header,
        first=queue[0] if queue else None,
        mine=own,
        ahead=ahead[-1] if ahead else None,
        count=len(found),
        ignored=ignored,
        position=queue.index(own) + 1 if own in queue else None,
        past=past,
    )
