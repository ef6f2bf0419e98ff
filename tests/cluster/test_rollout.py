"""Rollouts on a real control plane with its controllers: the lead moves once, whatever moves the pods.

Real: API server, Deployment, ReplicaSet and StatefulSet controllers, scheduler, etcd, the sidecars, the chart's rights.
Played: kubelets, by kwok and ``tests/cluster/kubelet.py``.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubelet import GATE, LEADER_GATE, Kubelet, pods_of, template
from tests.support.cluster import cluster
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster
from tests.support.installed import bind
from tests.support.policy import apply_policy

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]

REPLICAS = 3
MERGE = "application/merge-patch+json"
_NUMBERS = itertools.count()

Start = Callable[..., Kubelet]


@pytest.fixture(scope="module")
def controlled() -> Iterator[ControlPlane]:
    with cluster() as running:
        apply_policy(running, labels=[])
        yield running


@pytest.fixture
def start(controlled: ControlPlane, etcd: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Makes a workload of a kind and waits until its first revision, v1, stands and one of its pods leads."""
    ending = ExitStack()

    def make(kind: str, spec: dict[str, Any], *, gate: str = GATE) -> Kubelet:
        namespace = controlled.create_namespace(f"rollout-{next(_NUMBERS)}")
        bind(controlled, namespace)
        kubelet = Kubelet(controlled, namespace, ",".join(etcd.endpoints), tmp_path, [])
        ending.callback(kubelet.kill)
        whole: dict[str, Any] = {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("v1", gate),
        }
        whole |= spec
        body = {"metadata": {"name": "web"}, "spec": whole}
        controlled.must("POST", f"/apis/apps/v1/namespaces/{namespace}/{kind}", body)
        stands(kubelet, "v1", whole["replicas"])
        return kubelet

    yield make
    ending.close()


def stands(kubelet: Kubelet, image: str, replicas: int = REPLICAS) -> None:
    """Until all pods are of this revision and in the queue, and one of them leads."""

    def whole(pods: list[dict[str, Any]]) -> bool:
        mine = pods_of(pods, image)
        if len(mine) != replicas or len(pods) != replicas:
            return False
        states = [kubelet.states.get(pod["metadata"]["uid"], "") for pod in mine]
        return sorted(states) == ["leading"] + ["waiting"] * (replicas - 1)

    kubelet.wait_for(f"{replicas} pods of {image}", whole)


def set_image(kubelet: Kubelet, kind: str, image: str) -> None:
    path = f"/apis/apps/v1/namespaces/{kubelet.namespace}/{kind}/web"
    containers = [{"name": "web", "image": f"workload.invalid/web:{image}"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    kubelet.plane.must("PATCH", path, patch, content_type="application/strategic-merge-patch+json")


@pytest.mark.parametrize("surge", [1, 2, 0])
def test_a_rolling_update_of_a_deployment_moves_the_lead_once(start: Start, surge: int) -> None:
    strategy = {"maxSurge": surge, "maxUnavailable": 0 if surge else 1}
    kubelet = start("deployments", {"strategy": {"type": "RollingUpdate", "rollingUpdate": strategy}})
    before = list(kubelet.leads)
    set_image(kubelet, "deployments", "v2")
    stands(kubelet, "v2")
    moved = [name for name, _ in kubelet.leads[len(before) :]]
    leader, _ = before[-1]
    # with no pod more than before the first to go may be the leader, while there is nobody new to hand over to
    too_early = surge == 0 and kubelet.ended[0] == leader
    old = kubelet.revisions[leader]
    assert [kubelet.revisions[name] != old for name in moved] == ([False, True] if too_early else [True]), moved


def test_a_rollback_in_the_middle_of_a_rollout_moves_the_lead_back_once(start: Start) -> None:
    slow = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    kubelet = start("deployments", {"strategy": slow, "minReadySeconds": 15})
    old = kubelet.revisions[kubelet.leads[-1][0]]
    set_image(kubelet, "deployments", "v2")
    kubelet.wait_for("led by the new", lambda _: kubelet.revisions[kubelet.leads[-1][0]] != old)
    before = len(kubelet.leads)
    set_image(kubelet, "deployments", "v1")
    stands(kubelet, "v1")
    assert [kubelet.revisions[name] for name, _ in kubelet.leads[before:]] == [old]


@pytest.mark.parametrize(("replicas", "surge"), [(3, 0), (3, 1), (1, 1)])
def test_a_deployment_whose_readiness_is_the_lead_goes_through_where_all_but_one_may_be_away(
    start: Start, replicas: int, surge: int
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": replicas - 1}}
    kubelet = start("deployments", {"replicas": replicas, "strategy": strategy}, gate=LEADER_GATE)
    before = len(kubelet.leads)
    set_image(kubelet, "deployments", "v2")
    stands(kubelet, "v2", replicas)
    assert len(kubelet.leads) - before == 1, kubelet.leads


def test_a_rolling_update_of_a_stateful_set_ends_with_a_leader_of_the_new_revision_after_two_moves_at_most(
    start: Start,
) -> None:
    kubelet = start("statefulsets", {"serviceName": "web", "podManagementPolicy": "Parallel"})
    before = list(kubelet.leads)
    first = before[-1][0]
    set_image(kubelet, "statefulsets", "v2")
    stands(kubelet, "v2")
    moves = len(kubelet.leads) - len(before)
    # its pods go from the last to the first: whoever leads as the last goes before there is a new one
    assert moves == (2 if first == f"web-{REPLICAS - 1}" else 1), kubelet.leads


def test_pods_below_a_partition_keep_the_lead(start: Start) -> None:
    held = {"type": "RollingUpdate", "rollingUpdate": {"partition": REPLICAS - 1}}
    kubelet = start("statefulsets", {"serviceName": "web", "updateStrategy": held})  # in order: web-0 leads
    assert kubelet.leads[-1][0] == "web-0"
    before = list(kubelet.leads)
    set_image(kubelet, "statefulsets", "v2")

    def updated(pods: list[dict[str, Any]]) -> bool:
        mine = pods_of(pods, "v2")
        return len(mine) == 1 and mine[0]["metadata"]["uid"] in kubelet.sidecars

    kubelet.wait_for("one updated", updated)
    (pod,) = pods_of(kubelet.sync(), "v2")
    kubelet.sidecars[pod["metadata"]["uid"]].wait_until_waiting()
    looked = iter(range(100))
    kubelet.wait_for("looked at for a while", lambda _: next(looked) == 99)
    assert kubelet.leads == before
