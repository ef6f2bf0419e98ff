"""Drives one candidate: feeds it what happens, carries out what it asks, and answers for it.

Leadership itself is decided in ``sidecar.election``; here are the tasks, the clock and the promises that were made.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from random import Random

from sidecar.clock import Clock
from sidecar.election.candidate import NEVER, Candidate
from sidecar.election.events import (
    Claimed,
    ClockJumped,
    Effect,
    Event,
    Finished,
    Looked,
    Phase,
    Probed,
    ProbeLease,
    Question,
    Release,
    RenewNow,
    Shift,
    StandIn,
    StepDown,
    Tick,
    TransferRequested,
    Unanswered,
)
from sidecar.election.margin import margin_seconds
from sidecar.election.member import Member, write_member
from sidecar.election.queue import LockKey
from sidecar.election.transitions import step
from sidecar.election.verdict import Reason, Transition, View
from sidecar.elector import questions
from sidecar.elector.alarm import Alarm, within
from sidecar.elector.first_key import FirstKey
from sidecar.elector.follow import Followed
from sidecar.elector.heirs import plan_transfer, read_muster
from sidecar.elector.holds import Hold, Holds
from sidecar.elector.listing import Listing
from sidecar.elector.membership import Membership
from sidecar.elector.memory import Memory
from sidecar.elector.notes import Notes
from sidecar.elector.promises import Promises
from sidecar.elector.record import Record
from sidecar.elector.session import Session
from sidecar.elector.state import LeaderState
from sidecar.errors import (
    AuthenticationFailed,
    CannotTransfer,
    EtcdError,
    HistoryWentBack,
    LeaseNotFound,
    NoSpace,
    NotLeading,
    PermissionDenied,
    UnknownCandidate,
)
from sidecar.etcd.port import LockStore, Muster
from sidecar.metrics import Metrics

log = logging.getLogger(__name__)

LOOK_AT_CLOCK_SECONDS = 0.25
"""asyncio's timers do not count suspend: a leader compares its deadlines with the clock at least this often."""
LET_THE_RELEASE_PASS_SECONDS = 0.05
"""Whatever else there is to ask of etcd when the lead is given up, the next leader is not to wait for it."""

StepDownWork = Callable[[], Awaitable[bool | None]]


class Elector:
    """One election. ``run`` until cancelled; ``stop`` first, to leave in order.

    ``run`` raises ``AuthenticationFailed`` or ``PermissionDenied`` when etcd refuses the very first questions.

    ``tell`` is what has to happen between "leads no more" and "the key is released" (workload told, label off); it
    bounds itself, and answers whether the workload is known to have finished, None where nothing speaks for it. Once
    all that speak for it, open holds among them, say so, no promise is waited for.
    ``max_promise_seconds`` caps every deadline handed out, ``drain_seconds`` bounds the wait for them.
    ``describe`` gives the value of the member key; without it only the identity is told. ``hold_off_seconds`` is waited
    for after the end of a leadership that was not given up, before the next one here. With ``out_for`` it stands in
    line only after ``stand_in`` with that reason.
    ``memory`` is told of the place in the queue, for a later run to resume.
    """

    def __init__(
        self,
        *,
        election: str,
        lock: str,
        identity: str,
        store: LockStore,
        session: Session,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        max_promise_seconds: float,
        drain_seconds: float,
        tell: StepDownWork,
        describe: Callable[[], str] | None = None,
        hold_off_seconds: float = 0.0,
        out_for: Reason | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.election, self.lock, self.identity = election, lock, identity
        self._store, self._session, self._clock, self._random, self._metrics = store, session, clock, random, metrics
        self._drain_seconds, self._tell = drain_seconds, tell
        self._membership = Membership(lock, identity, describe or (lambda: write_member(Member(identity))))
        self._notes = Notes(lock, store)
        self._out_for = set() if out_for is None else {out_for}
        self._candidate = Candidate(lock, hold_off_seconds, Phase.STANDING_OUT if out_for else Phase.CONNECTING)
        self._record = Record(election, identity, metrics=metrics, now=clock.now(), wall=clock.wall())
        self._alarm = Alarm(clock)
        self._tasks = asyncio.TaskGroup()
        self._watched = Followed(
            store, clock, random, spawn=self._spawn, feed=self._feed, history_back=self._drop_for_history
        )
        self._holds = Holds(lambda token, others: self.end_lead(token, Reason.HOLD_CLOSED, drain=others), drain_seconds)
        self._promises = Promises(clock, max_promise_seconds)
        self._memory, self._inherited_until = memory, -NEVER
        self._first_key = FirstKey(election, metrics)
        self._listing = Listing(store, lock, clock, tasks=self._tasks, history_back=self._drop_for_history)
        self.state = LeaderState(store, lock, view=self.view, history_back=self._drop_for_history)
        self._clocks = (clock.now(), clock.wall())
        self._looked_at = clock.now()
        self._said: dict[type, str] = {}
        self._ever_answered = False
        self._leaving: asyncio.Task[None] | None = None
        session.listen(self._feed)
        metrics.watch(
            election,
            leads=lambda: self.view().is_leader,
            token=lambda: self.view().token or 0,
            validity_seconds=lambda: max(0.0, (self.view().valid_until or clock.now()) - clock.now()),
            position=lambda: self._candidate.position or 0,
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with self._tasks:
            try:
                await self._look_at_clock()
            finally:
                self._holds.drop_all()

    async def _look_at_clock(self) -> None:
        while True:
            now = self._looked_at = self._observe_clocks()
            self._feed(Tick())
            left = self._candidate.due(now) - now
            if self._candidate.leads(now):  # looks again so soon that it need not be woken
                await self._clock.sleep(max(0.0, min(left, LOOK_AT_CLOCK_SECONDS)))
            else:
                await self._alarm.sleep(left)

    # --- what others ask

    def view(self) -> View:
        """The verdict, computed now."""
        return self._note(self._observe_clocks())

    def promise(self, view: View) -> float | None:
        """A deadline to hand out for this view, kept for the step-down to wait for; None on a follower."""
        return None if view.valid_until is None else self._promises.make(view.valid_until)

    def open_hold(self, token: int) -> Hold:
        """Tie the lead that has this token to a connection. Raises ``TooManyHolds``."""
        return self._holds.open(token)

    async def changed(self, version: str) -> None:
        await self._record.changed(version)

    def history(self) -> Sequence[Transition]:
        return self._record.history()

    def listen(self, listener: Callable[[Transition], None]) -> None:
        """Call this with every transition from now on."""
        self._record.listen(listener)

    async def candidates(self) -> tuple[int, Sequence[LockKey]]:
        """The revision and the queue in order, read at most once a second. Raises ``EtcdError``."""
        return await self._listing.get()

    async def still_mine(self) -> bool:
        """Whether a linearizable read shows my key with the revision by which I lead. Raises ``EtcdError``."""
        name, revision = self._candidate.name, self._candidate.revision
        if name is None or not self.view().is_leader:
            return False
        try:
            _, mine = await self._store.confirm(name)
        except HistoryWentBack:
            self._drop_for_history()
            raise
        return mine is not None and mine.create_revision == revision and self.view().is_leader

    async def muster(self) -> Muster:
        """The whole queue and its member keys, read now. Raises ``EtcdError``."""
        try:
            return await read_muster(self._store, self.lock)
        except HistoryWentBack:
            self._drop_for_history()
            raise

    def first_for_seconds(self) -> float:
        """How long reads have shown my key first while I neither lead nor leave; 0 when they do not."""
        return self._first_key.mine_for_seconds()

    def promised_seconds(self) -> float:
        """For how long the latest deadline handed out still holds; 0 when it has passed."""
        return self._promises.left_seconds()

    def overdue_seconds(self) -> float:
        """By how much the elector has missed the time at which it wanted to look at the clock; normally 0."""
        now = self._clock.now()
        return max(0.0, now - self._candidate.due(now), now - self._looked_at if self._candidate.leads(now) else 0.0)

    @property
    def has_session(self) -> bool:
        return self._candidate.renewal is not None

    @property
    def in_queue(self) -> bool:
        return self._candidate.phase in (Phase.WAITING, Phase.LEADING)

    # --- giving the lead up

    def inherit(self) -> None:
        """The session is an earlier run's: what that one promised is kept, though nobody here knows what it was."""
        self._promises.inherit()
        self._inherited_until = self._promises.latest

    async def resign(self, *, drain: bool) -> None:
        """Give the lead up and rejoin at the tail. Without ``drain`` nothing is waited for: the workload has stopped.

        Returns once the key is released or its lease has ended, or after ``drain_seconds`` of trying. Raises
        ``NotLeading``.
        """
        if not self.view().is_leader:
            raise NotLeading(f"{self.identity} does not lead {self.election}")
        self._spawn(self._warn_when_full(), name=f"space {self.election}")
        await self._leave(StepDown(Reason.RESIGNED, Phase.CLAIMING), drain=drain)

    async def _warn_when_full(self) -> None:
        await self._clock.sleep(LET_THE_RELEASE_PASS_SECONDS)
        try:
            if await self._store.refuses_claims():
                log.warning("etcd is out of space (NOSPACE): whoever resigns cannot stand in line again")
        except EtcdError as error:
            log.debug("cannot ask etcd for its alarms: %s", error)

    def end_lead(self, token: int, reason: Reason, *, drain: bool) -> None:
        """Give up the lead that has this token, also one past its validity, and rejoin at the tail; no other lead."""
        if self._candidate.phase is Phase.LEADING and self._candidate.revision == token:
            self._begin_to_leave(StepDown(reason, Phase.CLAIMING), drain=drain)

    async def stand_out(self, reason: Reason) -> None:
        """Give the lead or the place in the queue up, and stand in line no more, until ``stand_in`` for each reason."""
        self._out_for.add(reason)
        await self._leave(StepDown(reason, Phase.STANDING_OUT), drain=True)

    def stand_in(self, reason: Reason) -> None:
        """That reason is over: stand in line again, if there is no other to stand out."""
        self._out_for.discard(reason)
        if not self._out_for:
            self._feed(StandIn())

    async def stop(self, *, drain: bool = True, to: str | None = None) -> None:
        """Leave the election for good: release the key, after the workload when it leads. Claim nothing more.

        A lead goes to the candidate called ``to``, if that can be; else to whoever stands next.
        """
        if to is not None:
            try:
                self._feed(await self._plan_transfer(to))
            except (NotLeading, UnknownCandidate, CannotTransfer, EtcdError) as error:
                log.warning("the lead is not handed over to %s: %s", to, error)
        await self._leave(StepDown(Reason.TERMINATED, Phase.STOPPED), drain=drain)

    async def transfer(self, to: str) -> None:
        """Hand the lead over to the candidate called ``to``, after a drain, and rejoin at the tail.

        Returns once that candidate's key is the first, or after ``drain_seconds`` of trying. Raises ``NotLeading``,
        ``UnknownCandidate``, ``EtcdError``, and ``CannotTransfer``: either nothing was given up, or the queue changed
        during the drain, and the lead went to whoever stood next.
        """
        wish = await self._plan_transfer(to)
        await self._leave(wish, drain=True)
        if self._candidate.passed_to != wish.heir:
            raise CannotTransfer(f"the lead was given up, but not to {to}: the queue or the session changed meanwhile")

    async def _plan_transfer(self, to: str) -> TransferRequested:
        """Raises as ``transfer``; nothing has been given up then."""
        name, revision = self._candidate.name, self._candidate.revision
        if name is None or not self.view().is_leader:
            raise NotLeading(f"{self.identity} does not lead {self.election}")
        wish = plan_transfer(self.lock, await self.muster(), (name, revision), to)
        if not self.view().is_leader:
            raise NotLeading(f"{self.identity} does not lead {self.election}")
        return wish

    async def _leave(self, wish: StepDown | TransferRequested, *, drain: bool) -> None:
        # whoever asked may go away; what was begun is ended
        await asyncio.shield(self._begin_to_leave(wish, drain=drain))

    def _begin_to_leave(self, wish: StepDown | TransferRequested, *, drain: bool) -> asyncio.Task[None]:
        if not drain:  # the workload has finished
            self._inherited_until = -NEVER
        self._feed(wish)
        work = self._give_up(self._leaving, drain=drain)
        self._leaving = self._spawn(work, name=f"leave {self.election}")
        return self._leaving

    async def _give_up(self, earlier: asyncio.Task[None] | None, *, drain: bool) -> None:
        if earlier is not None:
            await earlier
        if drain and self._candidate.phase is Phase.DRAINING:
            await self._drain()
            self._inherited_until = -NEVER
        await self._outlast_inherited()
        self._feed(Finished())
        # with etcd away the release goes on being tried, and the lease ends it at last
        await within(self._clock, self._drain_seconds, self._gone())

    async def _gone(self) -> None:
        while self._candidate.phase in (Phase.DRAINING, Phase.PASSING_ON, Phase.RELEASING):
            await self._record.changed(self._record.version)

    async def _drain(self) -> None:
        """Tell the workload, then wait until every deadline handed out has passed, or the lease has."""
        bound = self._clock.now() + self._drain_seconds
        said = [word for word in await asyncio.gather(self._tell(), self._holds.finish()) if word is not None]
        if said and all(said):
            return
        until = min(self._promises.latest, bound)
        while self._candidate.phase is Phase.DRAINING and (left := until - self._clock.now()) > 0:
            await self._clock.sleep(min(left, LOOK_AT_CLOCK_SECONDS))

    async def _outlast_inherited(self) -> None:
        """Who resumed may be told to leave before it is known whether it leads: the run before it may have led."""
        while (left := self._inherited_until - self._clock.now()) > 0:
            await self._clock.sleep(min(left, LOOK_AT_CLOCK_SECONDS))

    # --- feeding the core

    def _feed(self, event: Event) -> None:
        now = self._clock.now()
        before = self._candidate
        self._candidate, effects = step(before, event, now, self._random.random())
        for effect in effects:  # before anybody is told: the next leader waits for what is asked here
            self._carry_out(effect)
        self._watched.want(self._candidate.watches())
        self._note(now)
        if self._memory is not None:
            self._memory.note(self._candidate)
        if isinstance(event, Claimed | Looked) or self._candidate.phase is not Phase.WAITING:
            self._first_key.note(self._candidate, now)
        if self._candidate.due(now) < before.due(now) or self._candidate.phase is not before.phase:
            self._alarm.ring()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, RenewNow):
            self._metrics.unconfirmed_renewals.labels(self.election).inc()
            self._session.renew_now()
            return
        if isinstance(effect, ProbeLease):
            self._spawn(self._probe(effect), name=f"probe {self.election}")
            return
        renewal = self._candidate.renewal
        if renewal is not None:
            self._spawn(self._put(effect, renewal.lease_id), name=f"{type(effect).__name__} {self.election}")

    async def _put(self, question: Question, lease_id: int) -> None:
        answer: Event = Unanswered()
        lost: Reason | None = None
        if isinstance(question, Release | Shift):
            await self._part()
        try:
            answer = await questions.put(
                question,
                self._store,
                lock=self.lock,
                lease_id=lease_id,
                membership=self._membership,
                notes=self._notes,
            )
        except HistoryWentBack:
            lost = Reason.HISTORY
        except LeaseNotFound:
            lost = Reason.LEASE_LOST
        except EtcdError as error:
            if isinstance(error, AuthenticationFailed | PermissionDenied) and not self._ever_answered:
                raise  # at start it is a setting to be mended; later it is an outage like others
            self._say(question, error)
            if isinstance(error, NoSpace) and isinstance(question, Release):
                # an old etcd that is full refuses every transaction; a lease it always takes back, and the key with it
                lost = await self._give_lease_back(lease_id)
        else:
            self._ever_answered = True
            self._said.pop(type(question), None)
        self._feed(answer)
        if lost is not None:
            self._session.drop(lease_id, lost)

    async def _probe(self, effect: ProbeLease) -> None:
        await self._clock.sleep(effect.in_seconds)
        try:
            probe = await self._store.probe(effect.lease_id)
        except HistoryWentBack:
            self._drop_for_history()
            return
        except EtcdError as error:
            log.debug("cannot ask how long the leader's lease has left: %s", error)
            return
        if probe is not None:
            self._feed(Probed(probe))

    async def _part(self) -> None:
        """Before my key may go: no later run is to lead by it, and nothing that one before this promised is broken."""
        if self._memory is not None:
            await self._memory.forget()
        await self._outlast_inherited()

    async def _give_lease_back(self, lease_id: int) -> Reason | None:
        try:
            await self._store.revoke(lease_id)
        except HistoryWentBack:
            return Reason.HISTORY
        except EtcdError:
            return None
        return Reason.LEASE_LOST

    def _say(self, question: Question, error: EtcdError) -> None:
        """Log a failure when it begins or changes, not each time it is met."""
        if self._said.get(type(question)) != str(error):
            self._said[type(question)] = str(error)
            log.warning("%s: %s", type(question).__name__.lower(), error, extra={"kind": error.kind})

    def _drop_for_history(self) -> None:
        if self._candidate.renewal is not None:
            self._session.drop(self._candidate.renewal.lease_id, Reason.HISTORY)

    def _observe_clocks(self) -> float:
        """The time now. Distrusts the verdict where wall time gained on our clock: it may have stood still unseen."""
        now, wall = self._clock.now(), self._clock.wall()
        gained = (wall - self._clocks[1]) - (now - self._clocks[0])
        self._clocks = (now, wall)
        renewal = self._candidate.renewal
        if renewal is not None and gained > margin_seconds(renewal.ttl_seconds):
            log.warning("wall time gained %.3f s on the boot clock", gained, extra={"election": self.election})
            self._feed(ClockJumped())
        return now

    def _note(self, now: float) -> View:
        return self._record.note(self._candidate, now, self._clock.wall())

    def _spawn(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=name)
