"""The route's promise: no revision of a slice names a pod by a token below one accepted before.

Every test ends with the judgement of all revisions, of the labels beside them and of all answers (promises 3 and 1).
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.group import Candidate, PodGroup
from tests.cluster.proxy import Proxy
from tests.cluster.slices import SliceWatch
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster
from tests.support.kube import install_route

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

SERVICE = "web-leader"
Cut = Callable[[Proxy], None]
WAYS = [pytest.param(Proxy.cut, id="cut"), pytest.param(Proxy.stop, id="held back")]


class Routed:
    """Pods whose sidecars keep label and route, and a watch of the route."""

    def __init__(self, group: PodGroup, slices: SliceWatch) -> None:
        self.group, self.slices = group, slices

    def settle(self, *, without: list[Candidate] | None = None) -> Candidate:
        """As the group's, and the route leads to the leader."""
        leader = self.group.settle(without=without or [])
        self.slices.wait_for(leader.name, self.token(leader))
        return leader

    def token(self, leader: Candidate) -> int:
        return int(leader.sidecar.wait_until_leading()["token"])

    def resign(self, leader: Candidate) -> None:
        self.group.resign(leader)


@pytest.fixture(scope="module")
def running(plane: ControlPlane, etcd: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    install_route(plane)
    with (
        PodGroup(plane, etcd, tmp_path_factory.mktemp("route"), route=SERVICE) as group,
        SliceWatch(plane, group.namespace) as slices,
    ):
        yield Routed(group, slices)


@pytest.fixture
def routed(running: Routed) -> Iterator[Routed]:
    running.group.restore()
    running.settle()
    yield running
    running.group.check()
    running.slices.check()


def test_resigns_move_it_without_a_gap(routed: Routed) -> None:
    before = len(routed.slices.events())
    for _ in range(6):
        leader = routed.settle()
        routed.resign(leader)
        assert routed.settle() is not leader
    seen = routed.slices.events()[before:]
    assert all(each.pods for each in seen)
    assert len(seen) == 6, "one write a move"


def test_sigterm_and_a_new_start(routed: Routed) -> None:
    for _ in range(2):
        leader = routed.settle()
        assert leader.sidecar.terminate() == 0
        routed.settle(without=[leader])
        leader.sidecar.start()
        leader.sidecar.wait_until_healthy()
    routed.settle()


def test_sigkill(routed: Routed) -> None:
    leader = routed.settle()
    leader.sidecar.kill()
    assert routed.settle(without=[leader]) is not leader


def test_sigkill_and_a_new_start_at_once(routed: Routed) -> None:
    for _ in range(2):
        leader = routed.settle()
        leader.sidecar.kill()
        leader.sidecar.start()
        routed.settle()


def test_sigstop_past_the_ttl(routed: Routed) -> None:
    leader = routed.settle()
    leader.sidecar.freeze()
    routed.settle(without=[leader])
    leader.sidecar.thaw()
    assert routed.settle() is not leader


@pytest.mark.parametrize("seed", range(4))
def test_sigstop_in_the_midst_of_its_write(routed: Routed, seed: int) -> None:
    leader = routed.settle()
    routed.group.witness.excuse_resign(routed.token(leader))
    leader.sidecar.resign()
    new = routed.group.wait_until_one_leads(other_than=leader)
    time.sleep(random.Random(seed).uniform(0, 0.03))
    new.sidecar.freeze()
    routed.settle(without=[new])
    new.sidecar.thaw()
    routed.settle()


@pytest.mark.parametrize("pieces", range(6))
def test_a_write_held_back_arrives_after_the_next_leaders(routed: Routed, pieces: int) -> None:
    """The winner's way stops at each piece of its writes; it dies; what it had sent arrives after another's."""
    leader = routed.settle()
    group = routed.group
    for other in group.others(leader):
        other.proxy.stop_after(pieces)
    routed.resign(leader)
    new = group.wait_until_one_leads(other_than=leader)
    group.watch.wait_for("it is stopped, or done", lambda: new.proxy.stopped or new.role == "leader", group.logs)
    time.sleep(0.02)  # let all of the request that is under way get into the proxy
    new.sidecar.kill()
    for other in group.others(new):
        other.proxy.resume()
    last = routed.settle(without=[new])
    new.proxy.resume()
    time.sleep(0.5)  # for what was held back to be taken, or refused
    assert routed.slices.now()[0] == (last.name,)


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_the_old_leader_alone(routed: Routed, way: Cut) -> None:
    old = routed.settle()
    way(old.proxy)
    routed.resign(old)
    assert routed.settle(without=[old]) is not old
    old.proxy.resume()
    routed.settle()


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_the_new_leader(routed: Routed, way: Cut) -> None:
    """The old one takes its endpoint off when the grace is over: nobody is routed to, and the new one leads."""
    old = routed.settle()
    group = routed.group
    for other in group.others(old):
        way(other.proxy)
    routed.resign(old)
    new = group.wait_until_one_leads(other_than=old)
    routed.slices.wait_for("")
    for other in group.others(old):
        other.proxy.resume()
    assert routed.settle() is new


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_all_while_the_lead_moves(routed: Routed, way: Cut) -> None:
    old = routed.settle()
    group = routed.group
    for candidate in group.candidates:
        way(candidate.proxy)
    old.sidecar.kill()
    new = group.wait_until_one_leads(other_than=old)
    assert routed.slices.now()[0] == (old.name,)  # stale, as the API server cannot be told
    for candidate in group.candidates:
        candidate.proxy.resume()
    assert routed.settle(without=[old]) is new


def test_the_api_server_hangs_while_the_lead_moves_twice(routed: Routed) -> None:
    old = routed.settle()
    group = routed.group
    group.plane.apiserver.freeze()
    try:
        routed.resign(old)
        middle = group.wait_until_one_leads(other_than=old)
        routed.resign(middle)
        group.wait_until_one_leads(other_than=middle)
    finally:
        group.plane.apiserver.thaw()
    routed.settle()


def test_a_pod_made_anew_under_the_same_name_is_another(routed: Routed) -> None:
    old = routed.settle()
    process = old.sidecar
    process.freeze()
    try:
        routed.group.plane.delete_pod(routed.group.namespace, old.name)
        old.create()
        old.sidecar.start()
        while (leader := routed.settle()) is not old:
            routed.resign(leader)
        process.thaw()
        process.wait_for("standing out", lambda body: body["state"] == "standing_out")
        assert routed.settle() is old
    finally:
        process.kill()


def test_a_deleted_slice_is_made_anew(routed: Routed) -> None:
    leader = routed.settle()
    path = f"/apis/discovery.k8s.io/v1/namespaces/{routed.group.namespace}/endpointslices/{SERVICE}-leader-sidecar-ipv4"
    routed.group.plane.must("DELETE", path)
    routed.resign(leader)
    assert routed.settle() is not leader


def test_after_etcd_was_replaced_tokens_begin_low_and_the_route_follows(
    plane: ControlPlane, tmp_path: Path, etcd: Cluster
) -> None:
    """A slice that the past's leader left bears a token that none will reach for long."""
    install_route(plane)
    with PodGroup(plane, etcd, tmp_path, route=SERVICE) as group, SliceWatch(plane, group.namespace) as slices:
        leader = group.settle()
        low = slices.wait_for(leader.name, int(leader.sidecar.wait_until_leading()["token"]))
        for candidate in group.candidates:
            candidate.sidecar.kill()
        path = f"/apis/discovery.k8s.io/v1/namespaces/{group.namespace}/endpointslices/{SERVICE}-leader-sidecar-ipv4"
        found = plane.must("GET", path)
        found["metadata"]["annotations"]["leader-sidecar/token"] = str(10**9 + low)
        plane.must("PUT", path, found)
        other = group.others(leader)[0]
        other.sidecar.start()
        other.sidecar.wait_until_leading()
        time.sleep(1)
        assert slices.now() == ((leader.name,), 10**9 + low), "it stands, until its own sidecar takes it off"
        leader.sidecar.start()
        slices.wait_for(other.name)
        slices.forget_tokens()
