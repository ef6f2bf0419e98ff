"""Taking up the lease of the run before: etcd decides, and is asked until it answers. Fake time."""

import logging
from collections.abc import Sequence
from random import Random

import pytest

from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey
from sidecar.elector.resume import take_up
from sidecar.errors import (
    AuthenticationFailed,
    EtcdError,
    EtcdUnavailable,
    HistoryWentBack,
    LeaseNotFound,
    PermissionDenied,
)
from tests.simulation.store import SimulatedStore
from tests.support.pods import LoopClock
from tests.unit.test_election_resume import KEY, PLACE, RENEWAL

pytestmark = pytest.mark.looptime

ENDED = Renewal(PLACE.lease_id, -1.0, 0.0, RENEWAL.header)
AWAY = EtcdUnavailable("no answer in time")


class Scripted(SimulatedStore):
    """Answers in this order, the last one for ever; ``asked`` says what it was asked."""

    def __init__(
        self, renewals: Sequence[Renewal | EtcdError], keys: Sequence[LockKey | EtcdError | None] = (KEY,)
    ) -> None:
        self._renewals, self._keys = list(renewals), list(keys)
        self.asked: list[str] = []

    async def renew(self, lease_id: int, timeout_seconds: float) -> Renewal:
        self.asked.append(f"renew {lease_id:x}")
        answer = self._renewals.pop(0) if len(self._renewals) > 1 else self._renewals[0]
        if isinstance(answer, EtcdError):
            raise answer
        return answer

    async def confirm(self, mine: str) -> tuple[Header, LockKey | None]:
        self.asked.append(f"read {mine}")
        answer = self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]
        if isinstance(answer, EtcdError):
            raise answer
        return RENEWAL.header, answer


async def taken_up(store: Scripted) -> Renewal | str:
    return await take_up(PLACE, store, LoopClock(), Random(1))


async def test_a_fresh_keepalive_and_then_a_read_of_the_key_give_the_renewed_lease() -> None:
    store = Scripted([RENEWAL])
    assert await taken_up(store) == RENEWAL
    assert store.asked == ["renew 694d", "read /lock/694d"]


@pytest.mark.parametrize(
    ("renewal", "key", "why"),
    [
        (ENDED, KEY, "the lease has ended"),
        (LeaseNotFound("requested lease not found"), KEY, "the lease has ended"),
        (HistoryWentBack("etcd's history went back"), KEY, "history went back"),
        (RENEWAL, None, "the key is gone"),
        (RENEWAL, HistoryWentBack("etcd's history went back"), "history went back"),
    ],
)
async def test_what_etcd_does_not_keep_is_not_taken_up(
    renewal: Renewal | EtcdError, key: LockKey | EtcdError | None, why: str
) -> None:
    answer = await taken_up(Scripted([renewal], [key]))
    assert isinstance(answer, str)
    assert why in answer


async def test_an_etcd_that_is_away_is_asked_again_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    store = Scripted([AWAY, AWAY, AWAY, RENEWAL, RENEWAL], [AWAY, KEY])
    with caplog.at_level(logging.WARNING):
        assert await taken_up(store) == RENEWAL
    assert store.asked == [*["renew 694d"] * 4, "read /lock/694d", "renew 694d", "read /lock/694d"]
    assert caplog.text.count("cannot resume yet") == 1


@pytest.mark.parametrize("error", [AuthenticationFailed("invalid user"), PermissionDenied("permission denied")])
async def test_what_is_a_setting_to_be_mended_is_raised(error: EtcdError) -> None:
    with pytest.raises(type(error)):
        await taken_up(Scripted([error]))
    with pytest.raises(type(error)):
        await taken_up(Scripted([RENEWAL], [error]))
