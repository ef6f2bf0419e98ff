"""Whom a rollout, or a pod's end, lets lead next; and what Kubernetes' objects say of that."""

from typing import Any

import pytest

from sidecar.election.member import Member, write_member
from sidecar.election.queue import LockKey, key_name
from sidecar.election.rollout import (
    Peer,
    PodFacts,
    can_be_heir,
    in_line,
    reachable,
    several_revisions,
    wanted_hash,
    wanted_update,
)
from sidecar.kube.revisions import Owned, read_facts, read_owned

LOCK = "/l"


def key(place: int) -> LockKey:
    return LockKey(key_name(LOCK, place), 100 + place, 100 + place, place, f"pod-{place}")


def peer(place: int, revision: str = "old", pod: str | None = None) -> Peer:
    name = f"pod-{place}" if pod is None else pod
    return Peer(f"{place:x}", Member(name, name, f"uid-{place}", revision))


# who ------------------------------------------------------------------------------------------------------------------


def test_those_behind_a_program_that_is_no_sidecar_cannot_be_reached() -> None:
    queue = [key(place) for place in range(1, 6)]
    members = {f"{place:x}": write_member(peer(place).member) for place in (1, 2, 3, 5)}
    assert reachable(LOCK, queue, members) == (peer(2), peer(3))


@pytest.mark.parametrize(
    ("own", "others", "several"),
    [
        ("old", ["old", "old"], False),
        ("old", ["old", "new"], True),
        ("new", ["old"], True),
        ("old", ["", "old"], False),
        ("", ["new"], False),
        ("old", [], False),
    ],
)
def test_several_revisions_stand_in_the_queue_when_two_are_known(own: str, others: list[str], several: bool) -> None:
    assert several_revisions(own, [peer(2, revision) for revision in others]) is several


def test_a_leader_of_the_wanted_revision_keeps_the_lead() -> None:
    assert in_line("new", "new", [peer(2, "old"), peer(3, "new")], leaving=False) == []


def test_while_it_is_not_known_what_is_wanted_the_lead_stays() -> None:
    assert in_line("old", None, [peer(2, "new")], leaving=False) == []


def test_an_older_leader_hands_over_to_the_wanted_revision_only_in_the_queues_order() -> None:
    peers = [peer(2, "old"), peer(3, "new"), peer(4, "other"), peer(5, "new"), peer(6, "")]
    assert in_line("old", "new", peers, leaving=False) == [peer(3, "new"), peer(5, "new")]


def test_a_rollback_hands_back_to_the_revision_that_is_wanted_now() -> None:
    assert in_line("new", "old", [peer(2, "new"), peer(3, "old")], leaving=False) == [peer(3, "old")]


@pytest.mark.parametrize(("wanted", "order"), [(None, [2, 3, 4]), ("new", [3, 2, 4])])
def test_a_pod_that_is_about_to_go_hands_over_to_anybody_the_wanted_first(wanted: str | None, order: list[int]) -> None:
    peers = {2: peer(2, "old"), 3: peer(3, "new"), 4: peer(4, "old")}
    assert in_line("old", wanted, list(peers.values()), leaving=True) == [peers[place] for place in order]


def test_a_sidecar_outside_of_a_cluster_is_nobodys_heir() -> None:
    assert in_line("old", "new", [peer(2, "new", pod="")], leaving=False) == []
    assert in_line("old", "new", [peer(2, "new", pod="")], leaving=True) == []


@pytest.mark.parametrize(
    ("facts", "can"),
    [
        (PodFacts("uid-2", terminating=False, can_lead=True, node="n"), True),
        (PodFacts("uid-2", terminating=True, can_lead=True, node="n"), False),
        (PodFacts("uid-2", terminating=False, can_lead=False, node="n"), False),
        (PodFacts("of a pod made anew", terminating=False, can_lead=True, node="n"), False),
    ],
)
def test_an_heir_is_able_to_lead_stays_and_is_the_pod_that_stands_in_the_queue(facts: PodFacts, can: bool) -> None:
    assert can_be_heir(peer(2), facts) is can


# what is wanted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deployment", "numbers", "wanted"),
    [
        ("2", {"a": "1", "b": "2"}, "b"),
        ("3", {"a": "3", "b": "2"}, "a"),
        ("3", {"a": "1", "b": "2"}, None),
        ("", {"a": ""}, None),
    ],
    ids=["rollout", "rollback", "nobody in the queue", "not numbered yet"],
)
def test_a_deployment_wants_the_replica_set_that_bears_its_number(
    deployment: str, numbers: dict[str, str], wanted: str | None
) -> None:
    assert wanted_hash(deployment, numbers) == wanted


@pytest.mark.parametrize(
    ("update", "partition", "pod", "wanted"),
    [
        ("web-2", 0, "web-0", "web-2"),
        ("web-2", 2, "web-1", None),
        ("web-2", 2, "web-2", "web-2"),
        ("", 0, "web-0", None),
    ],
)
def test_a_stateful_set_wants_its_update_revision_but_for_pods_below_the_partition(
    update: str, partition: int, pod: str, wanted: str | None
) -> None:
    assert wanted_update(update, partition, pod) == wanted


# what objects say -----------------------------------------------------------------------------------------------------


def a_pod(
    *,
    phase: str = "Running",
    started: tuple[str, ...] = ("app", "leader-sidecar"),
    ready: bool = True,
    **spec: Any,
) -> dict[str, Any]:
    containers = [{"name": "app"}]
    sidecars = [{"name": "leader-sidecar", "restartPolicy": "Always"}, {"name": "setup"}]
    return {
        "metadata": {"name": "web-0", "uid": "u"},
        "spec": {"nodeName": "n", "containers": containers, "initContainers": sidecars, **spec},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "app", "started": "app" in started}],
            "initContainerStatuses": [
                {"name": "leader-sidecar", "started": "leader-sidecar" in started},
                {"name": "setup", "started": False},
            ],
        },
    }


PROBED = [{"name": "app", "readinessProbe": {"httpGet": {"path": "/leader?x", "port": 4041}}}]
ASKED = [{"name": "app", "readinessProbe": {"exec": {"command": ["curl", "-f", "localhost:4040/leader"]}}}]
OTHERWISE = [{"name": "app", "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}}}]


@pytest.mark.parametrize(
    ("pod", "can_lead"),
    [
        (a_pod(), True),
        (a_pod(phase="Pending"), False),
        (a_pod(started=("app",)), False),
        (a_pod(started=("leader-sidecar",)), False),
        (a_pod(ready=False), False),
        (a_pod(ready=False, containers=OTHERWISE), False),
        (a_pod(ready=False, containers=PROBED), True),
        (a_pod(ready=False, containers=ASKED), True),
        (a_pod(ready=False, readinessGates=[{"conditionType": "leader-sidecar/e"}]), True),
        (a_pod(ready=False, started=("app",), containers=PROBED), False),
        ({"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "app"}]}}, False),
    ],
)
def test_a_pod_can_lead_that_runs_has_started_and_is_ready_unless_only_the_leader_is_made_ready(
    pod: dict[str, Any], can_lead: bool
) -> None:
    facts = read_facts(pod)
    assert (facts.uid, facts.terminating, facts.can_lead) == ("u", False, can_lead)


def test_a_pod_with_a_deletion_time_is_terminating() -> None:
    pod = a_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert read_facts(pod).terminating


def owned_by(kind: str, *, group: str = "apps/v1", controller: bool = True) -> dict[str, Any]:
    reference = {"apiVersion": group, "kind": kind, "name": "web", "uid": "o", "controller": controller}
    labels = {"pod-template-hash": "h1", "controller-revision-hash": "h2"}
    return {"metadata": {"name": "web-0", "uid": "u", "labels": labels, "ownerReferences": [reference]}}


@pytest.mark.parametrize(
    ("pod", "owned"),
    [
        (owned_by("ReplicaSet"), Owned("h1", "ReplicaSet", "web", "o")),
        (owned_by("StatefulSet"), Owned("h2", "StatefulSet", "web", "o")),
        (owned_by("DaemonSet"), Owned()),
        (owned_by("StatefulSet", group="apps.kruise.io/v1beta1"), Owned()),
        (owned_by("ReplicaSet", controller=False), Owned()),
        ({"metadata": {"name": "bare", "uid": "u"}}, Owned()),
    ],
)
def test_a_pods_revision_is_its_controllers_to_say(pod: dict[str, Any], owned: Owned) -> None:
    assert read_owned(pod) == owned
