"""Sidecars, ``etcdctl`` and Go programs in one election: one holder, first come first served, in both directions.

Rule: etcd's ``client/v3/concurrency``, whose keys and order all of them share.
"""

import pytest

from tests.interop.candidates import PATIENCE_SECONDS, Candidate, Sidecar
from tests.interop.conftest import FOREIGN, SIDECAR, MakeCandidate
from tests.interop.queue import read_queue, wait_for_queue
from tests.support.children import Deadline
from tests.support.etcd import Cluster

every_foreigner = pytest.mark.parametrize("foreign", FOREIGN)


def wait_for_holder(expected: Candidate, others: list[Candidate]) -> None:
    """Return once ``expected`` holds; fails as soon as anybody else does."""
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        held = expected.holds()
        wrong = [other.name for other in others if other.holds()]
        assert not wrong, f"{wrong} hold, {expected.name} should be the only one"
        if held:
            return
    raise AssertionError(f"{expected.name} does not hold after {PATIENCE_SECONDS} s")


def join_in_order(etcd: Cluster, lock: str, candidates: list[Candidate]) -> None:
    for position, candidate in enumerate(candidates, start=1):
        candidate.join()
        try:
            wait_for_queue(etcd, lock, position)
        except AssertionError as error:
            raise AssertionError(f"{candidate.name} did not join: {candidate.child.output()}") from error


@every_foreigner
@pytest.mark.parametrize("sidecar_is_first", [True, False], ids=["sidecar first", "sidecar second"])
def test_the_lock_goes_round_in_the_order_of_joining(
    foreign: str, sidecar_is_first: bool, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    kinds = [SIDECAR, foreign] if sidecar_is_first else [foreign, SIDECAR]
    queue = [make(kind, f"{kind.replace(' ', '-')}-{turn}") for turn in (1, 2) for kind in kinds]
    join_in_order(etcd, lock, queue)
    while queue:
        holder, *waiting = queue
        wait_for_holder(holder, waiting)
        holder.let_go()
        queue = waiting
    assert read_queue(etcd, lock) == []


@pytest.mark.parametrize("foreign", [kind for kind in FOREIGN if kind != "etcdctl elect"])  # its TTL is fixed at 60 s
def test_a_sidecar_follows_a_foreigner_that_dies(foreign: str, make: MakeCandidate, etcd: Cluster, lock: str) -> None:
    dying, heir = make(foreign, "dying"), make(SIDECAR, "heir")
    join_in_order(etcd, lock, [dying, heir])
    wait_for_holder(dying, [heir])
    dying.child.kill()
    wait_for_holder(heir, [])


@every_foreigner
def test_a_foreigner_follows_a_sidecar_that_dies(foreign: str, make: MakeCandidate, etcd: Cluster, lock: str) -> None:
    dying, heir = make(SIDECAR, "dying"), make(foreign, "heir")
    join_in_order(etcd, lock, [dying, heir])
    wait_for_holder(dying, [heir])
    dying.child.kill()
    wait_for_holder(heir, [])


@every_foreigner
def test_a_sidecar_that_resigns_rejoins_behind_the_foreigner(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    sidecar, other = make(SIDECAR, "sidecar"), make(foreign, "other")
    assert isinstance(sidecar, Sidecar)
    join_in_order(etcd, lock, [sidecar, other])
    wait_for_holder(sidecar, [other])
    first_token = sidecar.process.leader()[1]["token"]
    assert sidecar.process.resign()[0] // 100 == 2
    wait_for_holder(other, [sidecar])
    wait_for_queue(etcd, lock, 2)
    other.let_go()
    wait_for_holder(sidecar, [])
    assert sidecar.process.leader()[1]["token"] > first_token


@every_foreigner
def test_a_sidecar_names_the_foreigner_that_leads(foreign: str, make: MakeCandidate, etcd: Cluster, lock: str) -> None:
    """By its key's value; a mutex writes none, and is shown by its lease id."""
    other, sidecar = make(foreign, "other"), make(SIDECAR, "sidecar")
    assert isinstance(sidecar, Sidecar)
    join_in_order(etcd, lock, [other, sidecar])
    lease_id = read_queue(etcd, lock)[0].key.removeprefix(f"{lock}/")
    shown = other.name if other.names_itself else lease_id
    body = sidecar.process.wait_until_it_knows(shown)
    assert body["leader_id"] == lease_id
    assert (body["is_leader"], body["token"]) == (False, None)


@every_foreigner
def test_the_queue_is_shown_with_foreigners_in_it(foreign: str, make: MakeCandidate, etcd: Cluster, lock: str) -> None:
    sidecar, other, last = make(SIDECAR, "sidecar"), make(foreign, "other"), make(SIDECAR, "last")
    assert isinstance(last, Sidecar)
    join_in_order(etcd, lock, [sidecar, other, last])
    status, body = last.process.ask("/candidates")
    assert status == 200
    places = read_queue(etcd, lock)
    assert [(c["id"], c["token"], c["position"]) for c in body["candidates"]] == [
        (place.key.removeprefix(f"{lock}/"), place.create_revision, position)
        for position, place in enumerate(places, start=1)
    ]
    assert [c["name"] for c in body["candidates"]] == [
        "sidecar",
        other.name if other.names_itself else body["candidates"][1]["id"],
        "last",
    ]


@every_foreigner
def test_all_keys_are_named_after_the_lease_they_hang_on(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    """As Go writes it: lowercase hex without padding."""
    join_in_order(etcd, lock, [make(foreign, "foreigner"), make(SIDECAR, "sidecar")])
    foreigners, sidecars = read_queue(etcd, lock)
    assert foreigners.key == f"{lock}/{foreigners.lease_id:x}"
    assert sidecars.key == f"{lock}/{sidecars.lease_id:x}"
    assert sidecars.value == "sidecar"
