"""The member key goes with each claim; where etcd's user may not put it, the claim goes without it."""

import logging

import pytest

from sidecar.election.queue import Header, LockKey
from sidecar.elector.membership import Membership
from sidecar.errors import PermissionDenied
from sidecar.etcd.port import ClaimAnswer
from tests.simulation.store import SimulatedStore

ANSWER = ClaimAnswer(Header(1, 1, 5, 1), LockKey("/l/a", 5, 5, 0xA, "pod"), None)


class Narrow(SimulatedStore):
    """etcd's user has no right to what is in ``closed``."""

    def __init__(self, *closed: str) -> None:
        self.closed = closed
        self.claims: list[str | None] = []

    async def claim(
        self, lock: str, lease_id: int, identity: str, *, with_queue: bool, member: str | None = None
    ) -> ClaimAnswer:
        self.claims.append(member)
        if "lock" in self.closed or (member is not None and "member" in self.closed):
            raise PermissionDenied("etcdserver: permission denied")
        return ANSWER


def membership() -> Membership:
    return Membership("/l", "pod", lambda: "me")


async def test_the_member_key_goes_with_the_claim() -> None:
    store = Narrow()
    assert await membership().claim(store, 0xA, with_queue=False) == ANSWER
    assert store.claims == ["me"]


async def test_without_the_right_to_it_the_claim_goes_without_and_one_line_names_the_prefix(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, mine = Narrow("member"), membership()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await mine.claim(store, 0xA, with_queue=True) == ANSWER
    assert store.claims == ["me", None] * 3
    assert caplog.text.count("leader-sidecar.meta/member//l/") == 1


async def test_a_right_given_later_is_used_and_its_loss_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    store, mine = Narrow("member"), membership()
    await mine.claim(store, 0xA, with_queue=True)
    store.closed = ()
    await mine.claim(store, 0xA, with_queue=True)
    assert store.claims[-1] == "me"
    store.closed = ("member",)
    await mine.claim(store, 0xA, with_queue=True)
    assert caplog.text.count("no member key") == 2


async def test_without_the_right_to_the_lock_the_claim_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PermissionDenied):
        await membership().claim(Narrow("lock"), 0xA, with_queue=True)
    assert "no member key" not in caplog.text
