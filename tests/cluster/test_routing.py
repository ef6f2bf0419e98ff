"""Promise 3: from the moment a new leader's label was accepted no other pod bears it, whatever happens to whom.

Every test ends with the judgement of all events of a watch (promise 3) and of all answers of the sidecars (promise 1).
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.group import PodGroup
from tests.cluster.proxy import Proxy
from tests.cluster.watch import PodWatch
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

Cut = Callable[[Proxy], None]
WAYS = [pytest.param(Proxy.cut, id="cut"), pytest.param(Proxy.stop, id="held back")]


@pytest.fixture(scope="module")
def running(plane: ControlPlane, etcd: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodGroup]:
    with PodGroup(plane, etcd, tmp_path_factory.mktemp("group")) as group:
        yield group


@pytest.fixture
def group(running: PodGroup) -> Iterator[PodGroup]:
    """The same pods for all tests, put in order before each, and judged after it."""
    running.restore()
    yield running
    running.check()


@pytest.fixture
def native(plane: ControlPlane, etcd: Cluster, tmp_path: Path) -> Iterator[PodGroup]:
    with PodGroup(plane, etcd, tmp_path, flags=["--native"]) as running:
        yield running
        running.check()


def sleep_ttls(group: PodGroup, ttls: float) -> None:
    """A fault has to last so long; nothing is timed by it."""
    time.sleep(group.ttl_seconds * ttls)


def test_a_resign_with_drain(group: PodGroup) -> None:
    for _ in range(6):
        leader = group.settle()
        group.resign(leader)
        assert group.settle() is not leader


def test_a_resign_without_one(group: PodGroup) -> None:
    for _ in range(6):
        leader = group.settle()
        group.witness.excuse_resign(int(leader.sidecar.wait_until_leading()["token"]))
        leader.sidecar.resign()
        assert group.settle() is not leader


def test_sigterm_and_a_new_start(group: PodGroup) -> None:
    for _ in range(3):
        leader = group.settle()
        assert leader.sidecar.terminate() == 0
        assert leader.role == "follower"
        group.settle(without=[leader])
        leader.sidecar.start()
        leader.sidecar.wait_until_healthy()
    group.settle()


def test_sigkill(group: PodGroup) -> None:
    for _ in range(3):
        leader = group.settle()
        leader.sidecar.kill()
        group.settle(without=[leader])
        leader.sidecar.start()
        leader.sidecar.wait_until_healthy()
    group.settle()


def test_sigkill_and_a_new_start_at_once(group: PodGroup) -> None:
    """The dead run's label is found and put right before this one stands for election."""
    for _ in range(3):
        leader = group.settle()
        leader.sidecar.kill()
        leader.sidecar.start()
        group.settle()


def test_sigstop_past_the_ttl(group: PodGroup) -> None:
    leader = group.settle()
    leader.sidecar.freeze()
    group.settle(without=[leader])
    leader.sidecar.thaw()
    assert group.settle() is not leader


@pytest.mark.parametrize("seed", range(6))
def test_sigstop_in_the_midst_of_labelling(group: PodGroup, seed: int) -> None:
    """The winner stops somewhere within its four writes, and goes on when another has made its own."""
    chance = random.Random(seed)
    leader = group.settle()
    group.witness.excuse_resign(int(leader.sidecar.wait_until_leading()["token"]))
    leader.sidecar.resign()
    new = group.wait_until_one_leads(other_than=leader)
    time.sleep(chance.uniform(0, 0.05))
    new.sidecar.freeze()
    group.settle(without=[new])
    new.sidecar.thaw()
    group.settle()


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_the_old_leader_alone(group: PodGroup, way: Cut) -> None:
    old = group.settle()
    way(old.proxy)
    group.resign(old)
    new = group.settle(without=[old])
    assert new is not old
    old.proxy.resume()
    group.settle()


@pytest.mark.parametrize("way", WAYS)
def test_the_old_leader_wins_again_before_it_can_reach_the_api(group: PodGroup, way: Cut) -> None:
    old = group.settle()
    way(old.proxy)
    group.resign(old)
    group.settle(without=[old])
    for other in group.others(old):
        other.sidecar.terminate()
    old.sidecar.wait_until_leading()
    old.proxy.resume()
    group.wait_for_role(old, "leader")
    group.watch.wait_for("it alone says so", lambda: group.watch.leaders() == [old.name], group.logs)


@pytest.mark.parametrize("pieces", range(10))
def test_a_write_held_back_arrives_after_the_next_leaders_label(group: PodGroup, pieces: int) -> None:
    """The winner's way stops at each piece of its writes; it dies; what it had sent arrives after another's label."""
    leader = group.settle()
    for other in group.others(leader):
        other.proxy.stop_after(pieces)
    group.resign(leader)
    new = group.wait_until_one_leads(other_than=leader)
    group.watch.wait_for("it is stopped, or done", lambda: new.proxy.stopped or new.role == "leader", group.logs)
    time.sleep(0.02)  # let all of the request that is under way get into the proxy
    new.sidecar.kill()
    for other in group.others(new):
        other.proxy.resume()
    last = group.settle(without=[new])
    new.proxy.resume()
    time.sleep(0.5)  # for what was held back to be taken, or refused
    # a late `electing` may stand there until the leader's next look, a minute from now; `leader` may not
    assert group.watch.leaders() == [last.name]


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_the_new_leader(group: PodGroup, way: Cut) -> None:
    old = group.settle()
    for other in group.others(old):
        way(other.proxy)
    group.resign(old)
    new = group.wait_until_one_leads(other_than=old)
    group.wait_for_role(old, "follower")
    sleep_ttls(group, 2)
    assert group.watch.leaders() == []  # nobody says so: the leader cannot, and the others do not
    assert new.sidecar.leads()  # and it leads all the same
    for other in group.others(old):
        other.proxy.resume()
    assert group.settle() is new


@pytest.mark.parametrize("way", WAYS)
def test_the_api_is_out_of_reach_for_all_while_the_lead_moves(group: PodGroup, way: Cut) -> None:
    old = group.settle()
    for candidate in group.candidates:
        way(candidate.proxy)
    old.sidecar.kill()
    new = group.wait_until_one_leads(other_than=old)
    assert group.watch.leaders() == [old.name]  # stale, as the API server cannot be told
    sleep_ttls(group, 1)
    for candidate in group.candidates:
        candidate.proxy.resume()
    assert group.settle(without=[old]) is new


def test_the_api_server_hangs_while_the_lead_moves_twice(group: PodGroup) -> None:
    old = group.settle()
    group.plane.apiserver.freeze()
    try:
        group.resign(old)
        middle = group.wait_until_one_leads(other_than=old)
        group.resign(middle)
        group.wait_until_one_leads(other_than=middle)
    finally:
        group.plane.apiserver.thaw()
    group.settle()


def test_the_api_server_is_restarted_under_a_leader(group: PodGroup) -> None:
    leader = group.settle()
    restart(group.plane)
    assert group.settle() is leader
    group.resign(leader)
    assert group.settle() is not leader


def test_the_api_server_is_restarted_while_the_lead_moves(group: PodGroup) -> None:
    leader = group.settle()
    group.plane.apiserver.kill()
    try:
        group.resign(leader)
        group.wait_until_one_leads(other_than=leader)
    finally:
        group.plane.apiserver.start()
        group.plane.wait_ready()
    group.settle()


def restart(plane: ControlPlane) -> None:
    plane.apiserver.kill()
    plane.apiserver.start()
    plane.wait_ready()


class TestPodMadeAnewUnderTheSameName:
    def test_the_old_sidecar_gives_the_lead_up_and_does_not_touch_the_new_pod(self, group: PodGroup) -> None:
        old = group.settle()
        before, process = old.uid, old.sidecar
        group.plane.delete_pod(group.namespace, old.name)
        old.create()
        try:
            group.wait_until_one_leads(other_than=old)
            process.wait_for("standing out", lambda body: body["state"] == "standing_out")
            assert old.uid != before
            assert old.role in (None, "")
            old.sidecar.start()
            group.settle()
        finally:
            process.kill()

    def test_the_new_pod_may_lead_beside_the_old_sidecar(self, group: PodGroup) -> None:
        old = group.settle()
        process = old.sidecar
        process.freeze()
        try:
            group.plane.delete_pod(group.namespace, old.name)
            old.create()
            old.sidecar.start()
            group.let_lead(old)
            process.thaw()
            process.wait_for("standing out", lambda body: body["state"] == "standing_out")
            assert group.settle() is old
        finally:
            process.kill()


class TestTerminatingLeader:
    """In native form it keeps its label until the next one has its own: a Service's user sees no gap."""

    def test_there_is_always_somebody_to_route_to(self, native: PodGroup) -> None:
        leader = native.settle()
        # kubelet tells the sidecar only when the workload has ended
        native.witness.excuse_resign(int(leader.sidecar.wait_until_leading()["token"]))
        native.plane.delete_pod(native.namespace, leader.name, grace_seconds=3600)
        assert leader.sidecar.terminate() == 0
        new = native.settle(without=[leader])
        assert new is not leader
        assert native.watch.gaps() == []

    def test_a_sidecar_told_to_stop_alone_keeps_lock_and_label(self, native: PodGroup) -> None:
        leader = native.settle()
        assert leader.sidecar.terminate() == 0
        assert leader.role == "leader"
        native.settle(without=[leader])  # until its lease ends: then another leads


def test_a_label_of_the_users_own_keeps_the_promise_too(plane: ControlPlane, etcd: Cluster, tmp_path: Path) -> None:
    flags = ["--label=role=primary/replica"]
    with (
        PodGroup(plane, etcd, tmp_path, flags=flags) as group,
        PodWatch(plane, group.namespace, "role", leader="primary") as role,
    ):
        for _ in range(3):
            leader = group.settle()
            role.wait_for("its own label says so", lambda: role.leaders() == group.watch.leaders(), group.logs)
            group.resign(leader)
        leader = group.settle()
        leader.sidecar.freeze()
        new = group.settle(without=[leader])
        role.wait_for("the other one's does", lambda: role.leaders() == [new.name], group.logs)
        leader.sidecar.thaw()
        group.settle()
        group.check()
