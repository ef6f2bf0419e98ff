"""A lead handed over in queues where Go programs and ``etcdctl`` stand as well, on real etcd."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.clock import SystemClock
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from sidecar.metrics import Metrics
from tests.interop.candidates import PATIENCE_SECONDS, TTL_SECONDS, Sidecar
from tests.interop.conftest import FOREIGN, SIDECAR, MakeCandidate
from tests.interop.queue import Place, read_queue, wait_for_queue
from tests.interop.test_one_queue import join_in_order, wait_for_holder
from tests.support.children import Deadline
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess

every_foreigner = pytest.mark.parametrize("foreign", FOREIGN)

LONG_DRAIN_SECONDS = 2.0
"""What is promised at most where something is to happen during the drain."""


def sidecars(make: MakeCandidate, count: int) -> list[Sidecar]:
    made = [make(SIDECAR, f"sidecar-{place}") for place in range(1, count + 1)]
    return [candidate for candidate in made if isinstance(candidate, Sidecar)]


def keys_of(places: Sequence[Place]) -> list[tuple[str, int]]:
    return [(place.value, place.create_revision) for place in places]


def wait_for_order(etcd: Cluster, lock: str, first: Sequence[str], length: int) -> list[Place]:
    """Return once the queue has that length and begins with these values."""
    deadline, seen = Deadline(PATIENCE_SECONDS, poll_seconds=0.1), list[Place]()
    while deadline.goes_on():
        seen = read_queue(etcd, lock)
        if len(seen) == length and [place.value for place in seen[: len(first)]] == list(first):
            return seen
    raise AssertionError(f"{length} candidates beginning with {first} expected, last seen: {seen}")


@pytest.mark.parametrize("length", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_last_of_a_queue_of_sidecars_leads_next_and_all_others_stand_behind_it(
    length: int, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    queue = sidecars(make, length)
    join_in_order(etcd, lock, list(queue))
    wait_for_holder(queue[0], list(queue[1:]))
    before = read_queue(etcd, lock)
    assert queue[0].process.transfer(queue[-1].name) == (204, {"text": ""})
    wait_for_holder(queue[-1], list(queue[:-1]))
    after = wait_for_order(etcd, lock, [queue[-1].name], length)
    assert after[0] == before[-1], "it leads with the place that it had"
    assert {place.value for place in after} == {sidecar.name for sidecar in queue}
    for sidecar in queue[1:-1]:
        sidecar.process.wait_until_it_knows(queue[-1].name)
        assert sidecar.process.ask("/history")[1]["transitions"][-1]["reason"] is None
    history = queue[0].process.ask("/history")[1]["transitions"]
    assert "transferred" in [transition["reason"] for transition in history]


@every_foreigner
def test_a_program_between_is_not_passed_over_and_the_lead_stays(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    first, last = sidecars(make, 2)
    other = make(foreign, "other")
    join_in_order(etcd, lock, [first, other, last])
    wait_for_holder(first, [other, last])
    before = read_queue(etcd, lock)
    status, problem = first.process.transfer(last.name)
    shown = other.name if other.names_itself else f"{before[1].lease_id:x}"
    assert (status, shown in problem["detail"]) == (409, True)
    assert keys_of(read_queue(etcd, lock)) == keys_of(before)
    assert first.process.leads()


@every_foreigner
def test_a_program_can_be_the_chosen_one_and_holds_what_it_is_given(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    first, second = sidecars(make, 2)
    other = make(foreign, "other")
    join_in_order(etcd, lock, [first, second, other])
    wait_for_holder(first, [second, other])
    place = read_queue(etcd, lock)[2]
    assert first.process.transfer(other.name if other.names_itself else f"{place.lease_id:x}")[0] == 204
    wait_for_holder(other, [first, second])
    assert wait_for_queue(etcd, lock, 3)[0] == place
    other.let_go()
    heir = {first.name: first, second.name: second}[wait_for_queue(etcd, lock, 2)[0].value]
    wait_for_holder(heir, [{first.name: second, second.name: first}[heir.name]])


@every_foreigner
def test_a_program_behind_the_chosen_one_keeps_its_place(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    first, second, third = sidecars(make, 3)
    other = make(foreign, "other")
    join_in_order(etcd, lock, [first, second, third, other])
    wait_for_holder(first, [second, third, other])
    place = read_queue(etcd, lock)[3]
    assert first.process.transfer(third.name)[0] == 204
    wait_for_holder(third, [first, second, other])
    assert wait_for_queue(etcd, lock, 4)[1] == place
    third.let_go()
    wait_for_holder(other, [first, second])


def test_nobody_of_that_name_is_a_404_and_a_follower_has_nothing_to_hand_over(
    make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    first, second = sidecars(make, 2)
    join_in_order(etcd, lock, [first, second])
    wait_for_holder(first, [second])
    assert first.process.transfer("nobody")[0] == 404
    assert second.process.transfer(first.name)[0] == 409
    assert first.process.transfer(first.name)[0] == 409
    assert first.process.leads()


# 200 ------------------------------------------------------------------------------------------------------------------


async def crowd(etcd: Cluster, lock: str, count: int) -> None:
    """So many members join one after another, on leases that nobody renews; they do not come back once deleted."""
    store = EtcdStore(EtcdSettings((etcd.only.url,), 5.0), SystemClock(), Metrics())
    try:
        for number in range(count):
            lease = await store.grant(600)
            await store.claim(lock, lease.lease_id, f"crowd-{number}", with_queue=False, member="{}")
    finally:
        await store.close()


@pytest.mark.slow
def test_the_last_of_200_leads_next(make: MakeCandidate, etcd: Cluster, lock: str) -> None:
    first, middle, last = sidecars(make, 3)
    join_in_order(etcd, lock, [first])
    wait_for_holder(first, [])
    asyncio.run(crowd(etcd, lock, 98))
    middle.join()
    wait_for_queue(etcd, lock, 100)
    asyncio.run(crowd(etcd, lock, 99))
    last.join()
    wait_for_queue(etcd, lock, 200)
    assert first.process.transfer(last.name)[0] == 204
    wait_for_holder(last, [first, middle])
    after = wait_for_queue(etcd, lock, 3)
    assert (after[0].value, {place.value for place in after[1:]}) == (last.name, {first.name, middle.name})


# what may happen during the drain -------------------------------------------------------------------------------------


@pytest.fixture
def slow_to_leave(etcd: Cluster, lock: str, tmp_path: Path) -> Iterator[list[SidecarProcess]]:
    """Three in a queue, which promise for so long that a drain takes a while."""
    queue = [
        SidecarProcess(
            name,
            etcd_endpoints=etcd.only.url,
            lock_name=lock,
            folder=tmp_path,
            ttl_seconds=TTL_SECONDS,
            flags=[f"--max-promise={LONG_DRAIN_SECONDS}"],
        )
        for name in ("first", "second", "third")
    ]
    for length, process in enumerate(queue, start=1):
        process.start()
        wait_for_queue(etcd, lock, length)
    queue[0].wait_until_leading()
    yield queue
    for process in queue:
        process.kill()


def test_a_chosen_one_that_leaves_during_the_drain_makes_it_an_ordinary_handover(
    slow_to_leave: list[SidecarProcess], etcd: Cluster, lock: str
) -> None:
    first, second, third = slow_to_leave
    with ThreadPoolExecutor(1) as asking:
        assert first.leads()
        answer = asking.submit(first.transfer, "third")
        first.wait_for("draining", lambda body: body["state"] == "draining")
        third.terminate(PATIENCE_SECONDS)
        assert answer.result()[0] == 409
    second.wait_until_leading()
    assert [place.value for place in wait_for_queue(etcd, lock, 2)] == ["second", "first"]


def test_a_leader_that_dies_during_the_drain_is_followed_by_the_next_once_its_lease_has_ended(
    slow_to_leave: list[SidecarProcess], etcd: Cluster, lock: str
) -> None:
    first, second, _ = slow_to_leave
    with ThreadPoolExecutor(1) as asking:
        assert first.leads()
        answer = asking.submit(first.transfer, "third")
        first.wait_for("draining", lambda body: body["state"] == "draining")
        first.kill()
        assert answer.exception() is not None
    second.wait_until_leading()
    assert [place.value for place in wait_for_queue(etcd, lock, 2)] == ["second", "third"]
