"""Health checks on real etcd: sidecars are processes, each with a workload that can be ill."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.checkable import Checkable
from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import Group, metric
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

TTL_SECONDS = 3
PROMISE_SECONDS = 1.0
FAILURES = 2
FLAGS = [
    f"--max-promise={PROMISE_SECONDS}",
    "--health-period=0.1",
    "--health-timeout=20",
    f"--health-failure-threshold={FAILURES}",
    "--health-cool-down=1",
    "--health-ignore-after=3",
]
FLAPS = 20


class Ward:
    """The group and its workloads."""

    def __init__(self, group: Group, workloads: dict[str, Checkable]) -> None:
        self.group, self._workloads = group, workloads

    def workload(self, sidecar: SidecarProcess) -> Checkable:
        return self._workloads[sidecar.identity]

    def all_be_well(self) -> SidecarProcess:
        """The leader then."""
        for workload in self._workloads.values():
            workload.be_well()
        return self.group.settle()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """Three that outlive each test's illness; the queue rotates."""
    folder = tmp_path_factory.mktemp("health")
    with running(Cluster(folder)) as etcd, ExitStack() as started:
        group = Group(etcd, folder, lock="/health", names=("a", "b", "c"), ttl_seconds=TTL_SECONDS, flags=FLAGS)
        workloads = {sidecar.identity: started.enter_context(Checkable()) for sidecar in group.sidecars}
        for sidecar in group.sidecars:
            sidecar.command.append(f"--health-check={workloads[sidecar.identity].url}")
        yield Ward(started.enter_context(group), workloads)


@pytest.fixture(autouse=True)
def judge(ward: Ward) -> Iterator[None]:
    yield
    ward.group.witness.check()


def stands_out(sidecar: SidecarProcess) -> None:
    sidecar.wait_for("standing out", lambda body: body["state"] == "standing_out")


def test_an_unhealthy_leader_steps_down_in_order_and_rejoins_at_the_tail_when_it_is_well(ward: Ward) -> None:
    leader = ward.all_be_well()
    queue = ward.group.names_in_queue()
    ward.workload(leader).be_unwell()
    ill_at = boottime()
    successor = ward.group.wait_for_first_answer_of_a_leader(ill_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert successor.received_at >= ward.group.witness.promised_until(leader), "promises have run out before"
    stands_out(leader)
    assert ward.group.names_in_queue() == queue[1:]
    assert metric(leader, "leader_sidecar_workload_healthy") == 0
    assert metric(leader, 'leader_sidecar_transitions_total{election="e",reason="unhealthy"}') >= 1
    ward.all_be_well()
    assert ward.group.names_in_queue() == [*queue[1:], queue[0]]


def test_an_unhealthy_waiter_leaves_the_queue_and_the_leader_stays(ward: Ward) -> None:
    leader = ward.all_be_well()
    token, waiter = ward.group.token(leader), ward.group[ward.group.names_in_queue()[1]]
    ward.workload(waiter).be_unwell()
    stands_out(waiter)
    assert waiter.identity not in ward.group.names_in_queue()
    assert waiter.wait_until_it_knows(leader.identity)["state"] == "standing_out"
    assert ward.group.token(leader) == token


def test_a_sidecar_whose_workload_has_not_started_stays_out_of_the_queue_until_it_has(ward: Ward) -> None:
    leader = ward.all_be_well()
    waiter = ward.group.others(leader)[0]
    ward.workload(waiter).be_unwell()
    waiter.terminate()
    waiter.start()
    stands_out(waiter)
    assert waiter.ask("/readyz")[0] == 200, "it is ready, its workload is not"
    ward.all_be_well()


def test_a_flapping_workload_costs_its_pod_the_lead_once_and_no_pod_after_that(ward: Ward) -> None:
    leader = ward.all_be_well()
    ward.workload(leader).flap(FAILURES)
    successor = ward.group[ward.group.wait_for_first_answer_of_a_leader(boottime(), other_than=leader).sidecar]
    token = ward.group.token(successor)
    asked, deadline = ward.workload(leader).asked, Deadline(60)
    while deadline.goes_on() and ward.workload(leader).asked < asked + FLAPS * (1 + FAILURES):
        assert leader.leader()[1]["state"] in ("draining", "connecting", "standing_out")
    assert ward.group.token(successor) == token


def test_a_few_failures_below_the_threshold_cost_nothing(ward: Ward) -> None:
    leader = ward.all_be_well()
    token = ward.group.token(leader)
    ward.workload(leader).flap(FAILURES - 1)
    asked, deadline = ward.workload(leader).asked, Deadline(60)
    while deadline.goes_on() and ward.workload(leader).asked < asked + FLAPS:
        pass
    assert ward.group.token(leader) == token


def test_when_all_are_unhealthy_one_leads_all_the_same_until_a_healthy_one_is_there(ward: Ward) -> None:
    leader = ward.all_be_well()
    for sidecar in ward.group.sidecars:
        ward.workload(sidecar).be_unwell()
    for sidecar in ward.group.sidecars:
        stands_out(sidecar)
    all_out_at = boottime()
    leader = ward.group[_first_leader(ward.group, all_out_at)]
    assert metric(leader, "leader_sidecar_workload_healthy") == 0
    cured = ward.group.others(leader)[0]
    ward.workload(cured).be_well()
    cured.wait_until_leading()
    assert ward.all_be_well() is cured


def _first_leader(group: Group, since: float) -> str:
    deadline = Deadline(60)
    while deadline.goes_on():
        for answer in group.witness.answers(since=since):
            if answer.leads:
                return str(answer.sidecar)
    raise AssertionError(f"nobody leads: {group.logs()}")
