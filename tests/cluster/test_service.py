"""What a user of the leader's Service sees: the EndpointSlice, as the real controller makes it of the labels.

``--log-cli-level=INFO`` shows how long it led to nobody.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.group import PodGroup
from tests.cluster.watch import ServiceWatch
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

log = logging.getLogger(__name__)


def watched(group: PodGroup) -> ServiceWatch:
    group.play_kubelet()
    group.create_service("leader", "leader")
    return ServiceWatch(group.plane, group.namespace, "leader")


@pytest.fixture
def group(slices: ControlPlane, etcd: Cluster, tmp_path: Path) -> Iterator[PodGroup]:
    with PodGroup(slices, etcd, tmp_path) as running:
        yield running
        running.check()


@pytest.fixture
def native(slices: ControlPlane, etcd: Cluster, tmp_path: Path) -> Iterator[PodGroup]:
    with PodGroup(slices, etcd, tmp_path, flags=["--native"]) as running:
        yield running
        running.check()


def test_it_leads_to_the_leader_alone_and_never_to_two(group: PodGroup) -> None:
    with watched(group) as service:
        service.wait_for((group.settle().name,))
        for _ in range(4):
            group.resign(group.settle())
            service.wait_for((group.settle().name,))
        leader = group.settle()
        leader.sidecar.kill()
        new = group.settle(without=[leader])
        service.wait_for((new.name,))
    assert max(len(state.pods) for state in service.seen()) == 1
    log.info("led to nobody for, in ms: %s", [round(gap * 1000) for gap in service.gaps()])


def test_a_native_leader_that_terminates_is_followed_without_a_gap(native: PodGroup) -> None:
    """One change of the slice: from the old one, which still serves, to the new one."""
    with watched(native) as service:
        leader = native.settle()
        service.wait_for((leader.name,))
        # kubelet tells the sidecar only when the workload has ended
        native.witness.excuse_resign(int(leader.sidecar.wait_until_leading()["token"]))
        native.plane.delete_pod(native.namespace, leader.name, grace_seconds=3600)
        assert leader.sidecar.terminate() == 0
        new = native.settle(without=[leader])
        service.wait_for((new.name,))
    states = [state.pods for state in service.seen()]
    first = states.index((leader.name,))
    assert set(states[first:]) == {(leader.name,), (new.name,)}
    log.info("led to: %s", states)


def test_while_no_sidecar_reaches_the_api_the_service_stays_as_it_was(group: PodGroup) -> None:
    """While nobody can be told, the Service goes on as it was; then it follows."""
    with watched(group) as service:
        old = group.settle()
        service.wait_for((old.name,))
        for candidate in group.candidates:
            candidate.proxy.stop()
        old.sidecar.kill()
        new = group.wait_until_one_leads(other_than=old)
        assert service.pods() == (old.name,)
        for candidate in group.candidates:
            candidate.proxy.resume()
        group.settle(without=[old])
        service.wait_for((new.name,))
    assert max(len(state.pods) for state in service.seen()) == 1
