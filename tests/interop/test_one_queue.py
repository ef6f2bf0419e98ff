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
    queue = [make(kind, f"{place}-{kind.replace(' ', '-')}") for place, kind in enumerate([*kinds, kinds[0]], start=1)]
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
def test_sidecars_show_the_foreigner_that_leads_and_the_queue_behind_it(
    foreign: str, make: MakeCandidate, etcd: Cluster, lock: str
) -> None:
    """By its key's value; a mutex writes none, and is shown by its lease id."""
    other, sidecar, last = make(foreign, "other"), make(SIDECAR, "sidecar"), make(SIDECAR, "last")
    assert isinstance(last, Sidecar)
    join_in_order(etcd, lock, [other, sidecar, last])
    places = read_queue(etcd, lock)
    # as Go writes it: lowercase hex without padding
    assert [place.key for place in places] == [f"{lock}/{place.lease_id:x}" for place in places]
    assert [place.value for place in places] == [other.name if other.names_itself else "", "sidecar", "last"]
    lease_ids = [f"{place.lease_id:x}" for place in places]
    shown = other.name if other.names_itself else lease_ids[0]

    body = last.process.wait_until_it_knows(shown)
    assert (body["leader_id"], body["is_leader"], body["token"]) == (lease_ids[0], False, None)
    status, body = last.process.ask("/candidates")
    assert status == 200
    assert [(each["name"], each["id"], each["position"], each["token"]) for each in body["candidates"]] == [
        (name, lease_id, position, place.create_revision)
        for position, (name, lease_id, place) in enumerate(
            zip([shown, "sidecar", "last"], lease_ids, places, strict=True), start=1
        )
    ]
