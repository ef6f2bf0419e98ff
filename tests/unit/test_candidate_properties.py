"""Properties of the core under any sequence of events, answers of an etcd gone mad included.

The oracle keeps its own book of what may be believed, straight from the rules: see ``Book``.
"""

from dataclasses import dataclass

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.election.candidate import NEVER, Candidate
from sidecar.election.events import (
    Asked,
    Claim,
    Claimed,
    ClockJumped,
    Confirm,
    Confirmed,
    Event,
    Finished,
    KeyChanged,
    Look,
    Looked,
    Phase,
    Release,
    Released,
    Renewed,
    RenewNow,
    SessionLost,
    SessionOpened,
    Shift,
    Shifted,
    StandIn,
    StepDown,
    Survey,
    Surveyed,
    Tick,
    TransferRequested,
    Unanswered,
    WatchBroke,
)
from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey, QueueView, key_name, lease_hex
from sidecar.election.transitions import TABLE, IllegalTransition, step
from sidecar.election.verdict import Reason

LOCK = "N"
TTL = 10.0
OTHER = LockKey(key_name(LOCK, 0xABC), 1, 1, 0xABC, "other")
BETWEEN = LockKey(key_name(LOCK, 0xABD), 10**6, 10**6, 0xABD, "between")
HEIR = LockKey(key_name(LOCK, 0xABE), 10**6 + 1, 10**6 + 1, 0xABE, "heir")

some_seconds = st.floats(0.0, 12.0)
some_terms = st.integers(1, 2)
AFTER_A_STEP_DOWN = {
    "resigned": Phase.CLAIMING,
    "stood out": Phase.STANDING_OUT,
    "stopped": Phase.STOPPED,
}
dice = st.floats(0, 1, exclude_max=True)


@dataclass
class Book:
    """What a reader of the rules would believe: until when a lead may be claimed, and with which revision.

    ``valid_until`` grows only with a renewal that was answered before a read was asked, sent after the last jump of
    the clock, of the same raft term as the read's answer, which showed my key with my revision and my lease. The first
    such read must have shown my key as the first of the queue.
    """

    revision: int | None = None
    valid_until: float = -NEVER
    distrusted_before: float = -NEVER
    first: bool = False

    def forget(self) -> None:
        self.revision, self.valid_until, self.first = None, -NEVER, False

    def read(self, renewal: Renewal | None, header: Header, mine: LockKey | None, *, first: bool | None) -> None:
        if renewal is None or mine is None or mine.lease_id != renewal.lease_id:
            self.forget()
            return
        if self.revision != mine.create_revision:
            self.forget()
            self.revision = mine.create_revision
        self.first = self.first or bool(first)
        if self.first and renewal.header.raft_term == header.raft_term and renewal.sent_at >= self.distrusted_before:
            self.valid_until = max(self.valid_until, renewal.valid_until)


class AnyCandidate(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.candidate = Candidate(LOCK)
        self.book = Book()
        self.out: Asked | None = None
        self.lease = 0x10
        self.revision = 10

    # How events are fed -----------------------------------------------------------------------------------------------

    def feed(self, event: Event, chance: float = 0.5) -> None:
        before = self.candidate
        try:
            after, effects = step(before, event, self.now, chance)
        except IllegalTransition:
            assert (before.phase, type(event)) not in TABLE
            return
        questions = [effect for effect in effects if not isinstance(effect, RenewNow)]
        assert len(questions) <= 1
        assert not questions or after.asked is not None
        if questions:
            assert self.out is None, "a second question while one is out"
            self.out = after.asked
        self.candidate = after

    def header(self, term: int) -> Header:
        return Header(1, 1, self.revision, term)

    @property
    def session(self) -> Renewal | None:
        return self.candidate.renewal

    # Session ----------------------------------------------------------------------------------------------------------

    @initialize()
    def first_session_opens(self) -> None:
        self.session_opens(1)

    @precondition(lambda self: self.session is None)
    @rule(term=some_terms)
    def session_opens(self, term: int) -> None:
        self.lease += 1
        self.revision += 1
        self.book.forget()
        self.feed(SessionOpened(Renewal(self.lease, TTL, self.now, self.header(term))))

    @precondition(lambda self: self.session is not None)
    @rule(term=some_terms, took=st.floats(0, 5))
    def renewal_is_answered(self, term: int, took: float) -> None:
        assert self.session is not None
        sent_at = self.now
        self.now += took
        assume(sent_at >= self.session.sent_at)
        self.feed(Renewed(Renewal(self.session.lease_id, TTL, sent_at, self.header(term))))

    def session_is_lost(self) -> None:
        self.book.forget()
        self.feed(SessionLost(Reason.LEASE_LOST))

    # Answers ----------------------------------------------------------------------------------------------------------

    def answering(self) -> tuple[Renewal | None, int]:
        """The renewal that an answer may confirm, None if the session it was asked in is over; and that lease."""
        assert self.out is not None
        asked, self.out = self.out, None
        assert asked.renewal is not None
        same = self.session is not None and self.session.lease_id == asked.renewal.lease_id
        return (asked.renewal if same else None), asked.renewal.lease_id

    def a_key(self, lease_id: int, kind: str) -> LockKey | None:
        revision = self.candidate.revision or self.revision
        match kind:
            case "mine":
                return LockKey(key_name(LOCK, lease_id), revision, revision, lease_id, "me")
            case "created again":
                return LockKey(key_name(LOCK, lease_id), self.revision, self.revision, lease_id, "me")
            case "of another lease":
                return LockKey(key_name(LOCK, lease_id), revision, revision, 0, "me")
            case _:
                return None

    keys = st.sampled_from(["mine", "mine", "mine", "created again", "of another lease", "none"])

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Claim))
    @rule(kind=keys.filter(lambda kind: kind != "none"), first=st.booleans(), read=st.booleans(), term=some_terms)
    def claim_is_answered(self, kind: str, *, first: bool, read: bool, term: int) -> None:
        self.revision += 2
        renewal, lease_id = self.answering()
        mine = self.a_key(lease_id, kind)
        assert mine is not None
        header = self.header(term)
        view = QueueView(header, mine if first else OTHER, mine, None if first else OTHER, 2) if read else None
        if self.candidate.phase is Phase.CLAIMING:
            self.book.forget()
            if view is not None:
                self.book.read(renewal, header, mine, first=first)
        self.feed(Claimed(header, mine, view))

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Look))
    @rule(kind=keys, first=st.booleans(), term=some_terms)
    def look_is_answered(self, kind: str, *, first: bool, term: int) -> None:
        self.revision += 1
        renewal, lease_id = self.answering()
        mine, header = self.a_key(lease_id, kind), self.header(term)
        if self.candidate.phase is Phase.WAITING and renewal is not None:
            known = mine is not None and mine.create_revision == self.candidate.revision
            self.book.read(renewal, header, mine if known else None, first=first)
        view = QueueView(header, mine if first else OTHER, mine, None if first else OTHER, 2)
        self.feed(Looked(view))

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Confirm))
    @rule(kind=keys, term=some_terms)
    def confirm_is_answered(self, kind: str, term: int) -> None:
        self.revision += 1
        renewal, lease_id = self.answering()
        mine, header = self.a_key(lease_id, kind), self.header(term)
        if self.candidate.phase is Phase.LEADING and renewal is not None:
            known = mine is not None and mine.create_revision == self.candidate.revision
            self.book.read(renewal, header, mine if known else None, first=None)
            if kind != "mine":
                self.book.forget()
        self.feed(Confirmed(header, mine))
        assert kind == "mine" or renewal is None or not self.candidate.leads(self.now)

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Release))
    @rule()
    def release_is_answered(self) -> None:
        self.answering()
        self.feed(Released())

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Survey))
    @rule(waits=st.booleans(), sidecars=st.booleans())
    def survey_is_answered(self, *, waits: bool, sidecars: bool) -> None:
        _, lease_id = self.answering()
        mine = self.a_key(lease_id, "mine")
        assert mine is not None
        queue = (mine, BETWEEN, HEIR) if waits else (mine, BETWEEN)
        known = [lease_hex(LOCK, key.name) or "" for key in queue]
        self.feed(Surveyed(queue, frozenset(known if sidecars else known[-1:])))

    @precondition(lambda self: self.out is not None and isinstance(self.out.question, Shift))
    @rule(done=st.booleans())
    def shift_is_answered(self, *, done: bool) -> None:
        assert self.out is not None
        assert isinstance(self.out.question, Shift)
        assert HEIR in self.out.question.kept
        self.answering()
        self.feed(Shifted(done))

    @precondition(lambda self: self.out is not None)
    @rule(chance=dice)
    def answer_is_lost(self, chance: float) -> None:
        self.out = None
        self.feed(Unanswered(), chance)

    # Watches ----------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.candidate.watches())
    @rule(data=st.data(), kind=keys, chance=dice)
    def watched_key_changes(self, data: st.DataObject, kind: str, chance: float) -> None:
        name = data.draw(st.sampled_from(sorted(self.candidate.watches())))
        self.revision += 1
        if name != self.candidate.name:
            self.feed(KeyChanged(name, self.revision, None), chance)
            return
        key = self.a_key(self.session.lease_id if self.session else 0, kind)
        if kind != "mine":
            self.book.forget()
        self.feed(KeyChanged(name, self.revision, key), chance)
        assert kind == "mine" or not self.candidate.leads(self.now)

    @precondition(lambda self: self.candidate.watches())
    @rule(data=st.data(), chance=dice)
    def watch_breaks(self, data: st.DataObject, chance: float) -> None:
        self.feed(WatchBroke(data.draw(st.sampled_from(sorted(self.candidate.watches())))), chance)

    # Everything else --------------------------------------------------------------------------------------------------

    @rule(seconds=some_seconds)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def time_comes(self) -> None:
        due = self.candidate.due(self.now)
        if due < NEVER:
            self.now = max(self.now, due)
        self.feed(Tick())

    @precondition(lambda self: self.candidate.phase is Phase.DRAINING)
    @rule()
    def workload_finishes(self) -> None:
        self.feed(Finished())

    @rule()
    def reason_to_stand_out_is_over(self) -> None:
        self.feed(StandIn())

    @rule(what=st.sampled_from(["session lost", "transfer", *AFTER_A_STEP_DOWN]))
    def lead_is_over(self, what: str) -> None:
        """One rule for all that ends a lead, so that there is one to end more often than not."""
        match what:
            case "session lost":
                self.session_is_lost()
            case "transfer":
                assume(self.candidate.phase is Phase.LEADING)
                self.book.forget()
                self.feed(TransferRequested(HEIR))
            case _:
                then = AFTER_A_STEP_DOWN[what]
                assume(self.candidate.phase in (Phase.LEADING, Phase.WAITING) or then is not Phase.CLAIMING)
                self.book.forget()
                self.feed(StepDown(Reason.RESIGNED, then))
        assert not self.candidate.leads(self.now)

    @precondition(lambda self: self.session is not None and self.candidate.phase in (Phase.WAITING, Phase.LEADING))
    @rule()
    def clock_jumps(self) -> None:
        self.book.valid_until, self.book.distrusted_before = -NEVER, self.now
        self.feed(ClockJumped())
        assert not self.candidate.leads(self.now)

    @precondition(lambda self: self.out is not None and self.session is not None)
    @rule(first=st.booleans())
    def etcd_answers_as_it_should(self, *, first: bool) -> None:
        assert self.out is not None
        assert self.session is not None
        term = self.session.header.raft_term
        match self.out.question:
            case Claim():
                self.claim_is_answered("mine", first=first, read=True, term=term)
            case Look():
                self.look_is_answered("mine", first=first, term=term)
            case Confirm():
                self.confirm_is_answered("mine", term)
            case Release():
                self.release_is_answered()
            case Survey():
                self.survey_is_answered(waits=first, sidecars=True)
            case Shift():
                self.shift_is_answered(done=first)

    # What always holds ------------------------------------------------------------------------------------------------

    @invariant()
    def leads_only_on_the_strength_of_what_was_read(self) -> None:
        if self.candidate.leads(self.now):
            assert self.book.first
            assert self.book.revision == self.candidate.revision
            assert self.candidate.valid_until <= self.book.valid_until

    @invariant()
    def leadership_ends_by_itself_and_does_not_come_back_by_itself(self) -> None:
        leads = [self.candidate.leads(self.now + seconds) for seconds in (0.0, 1.0, 5.0, TTL)]
        assert leads == sorted(leads, reverse=True)
        assert not leads[-1]

    @invariant()
    def wants_to_be_woken_when_the_validity_ends(self) -> None:
        if self.candidate.leads(self.now):
            assert self.candidate.due(self.now) <= self.candidate.valid_until

    @invariant()
    def what_there_is_to_ask_is_asked_or_will_be(self) -> None:
        asks_again = {Phase.CLAIMING, Phase.WAITING, Phase.PASSING_ON, Phase.RELEASING}
        if self.candidate.phase in asks_again and self.candidate.asked is None:
            assert self.candidate.due(self.now) < NEVER

    @invariant()
    def one_who_stands_in_line_watches_its_own_key_or_is_about_to_read_it(self) -> None:
        if self.candidate.phase in (Phase.WAITING, Phase.LEADING):
            reads = self.candidate.asked is not None or self.candidate.due(self.now) < NEVER
            assert self.candidate.name in self.candidate.watches() or reads

    @invariant()
    def one_who_has_stopped_asks_and_watches_nothing(self) -> None:
        if self.candidate.phase is Phase.STOPPED:
            assert self.candidate.question() is None
            assert not self.candidate.watches()

    @invariant()
    def knows_of_the_question_that_is_out(self) -> None:
        assert self.candidate.asked == self.out


AnyCandidate.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None, derandomize=True)
TestAnyCandidate = AnyCandidate.TestCase
