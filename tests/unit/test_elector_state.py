"""Writing as the leader: asked of the verdict first, then of etcd, and each refusal is told from the others."""

from dataclasses import replace

import pytest

from sidecar.election.state import KEY_PATTERN, state_name
from sidecar.election.verdict import State, View
from sidecar.elector.state import LeaderState
from sidecar.errors import EtcdError, EtcdUnavailable, HistoryWentBack, NotLeading, PermissionDenied, ValueChanged
from sidecar.etcd.port import Value, WriteAnswer
from tests.support.http import FOLLOWING, LEADING

NAME = "leader-sidecar.meta/state//l/x"


class Store:
    """Answers as told, and keeps what it was asked."""

    def __init__(self, answer: WriteAnswer, error: EtcdError | None = None) -> None:
        self.answer, self.error = answer, error
        self.asked: list[tuple[object, ...]] = []

    async def read_value(self, name: str) -> Value | None:
        self.asked.append((name,))
        if self.error is not None:
            raise self.error
        return Value(b"v", 5)

    async def write_value(
        self, name: str, content: bytes | None, *, revision: int, leader: str, token: int
    ) -> WriteAnswer:
        self.asked.append((name, content, revision, leader, token))
        if self.error is not None:
            raise self.error
        return self.answer


class Elector:
    def __init__(self, store: Store, view: View = LEADING) -> None:
        self.shown, self.alarms = view, 0
        self.state = LeaderState(store, "/l", view=lambda: self.shown, history_back=self._alarm)

    def _alarm(self) -> None:
        self.alarms += 1


def test_a_values_name_is_below_a_root_of_its_own() -> None:
    assert state_name("/l", "x") == NAME
    assert KEY_PATTERN == r"^[A-Za-z0-9._-]{1,128}$"


async def test_a_write_is_guarded_by_the_leaders_key_and_token() -> None:
    store = Store(WriteAnswer(9, led=True))
    assert await Elector(store).state.write("x", b"v", revision=5) == 9
    assert store.asked == [(NAME, b"v", 5, "/l/a1", 17)]


@pytest.mark.parametrize("view", [FOLLOWING, replace(FOLLOWING, id="", state=State.CONNECTING)])
async def test_who_does_not_lead_asks_etcd_nothing(view: View) -> None:
    store = Store(WriteAnswer(9, led=True))
    with pytest.raises(NotLeading):
        await Elector(store, view).state.write("x", b"v", revision=5)
    assert store.asked == []


async def test_the_verdict_is_that_of_the_moment_of_asking() -> None:
    elector = Elector(Store(WriteAnswer(9, led=True)))
    await elector.state.write("x", b"v", revision=5)
    elector.shown = FOLLOWING
    with pytest.raises(NotLeading):
        await elector.state.write("x", b"v", revision=9)


@pytest.mark.parametrize(
    ("answer", "error"), [(WriteAnswer(None, led=False), NotLeading), (WriteAnswer(None, led=True), ValueChanged)]
)
async def test_what_etcd_refuses_is_told_by_which_guard(answer: WriteAnswer, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Elector(Store(answer)).state.write("x", None, revision=5)


@pytest.mark.parametrize("view", [LEADING, FOLLOWING])
async def test_everybody_reads(view: View) -> None:
    store = Store(WriteAnswer(9, led=True))
    assert await Elector(store, view).state.read("x") == Value(b"v", 5)
    assert store.asked == [(NAME,)]


@pytest.mark.parametrize("reads", [True, False], ids=["read", "write"])
@pytest.mark.parametrize(("error", "alarms"), [(HistoryWentBack("back"), 1), (EtcdUnavailable("away"), 0)])
async def test_a_history_that_went_back_is_told_and_the_error_passed_on(
    reads: bool, error: EtcdError, alarms: int
) -> None:
    elector = Elector(Store(WriteAnswer(9, led=True), error))
    with pytest.raises(type(error)):
        await (elector.state.read("x") if reads else elector.state.write("x", b"v", revision=5))
    assert elector.alarms == alarms


async def test_a_missing_right_is_told_with_the_prefix_that_it_is_needed_for() -> None:
    elector = Elector(Store(WriteAnswer(9, led=True), PermissionDenied("etcdserver: permission denied")))
    with pytest.raises(PermissionDenied, match=r"begin with leader-sidecar\.meta/state//l/"):
        await elector.state.read("x")
