"""Readiness that only the leader has: which rollouts stall, as tried on a real control plane (docs/check.md)."""

import copy
from typing import Any

import pytest

from sidecar.check.offline import check_manifests

GATE = {"readinessGates": [{"conditionType": "leader-sidecar/e"}]}


def workload(kind: str, spec: dict[str, Any], pod: dict[str, Any] | None = None) -> dict[str, Any]:
    env = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}}
        for name, field in (("POD_NAME", "name"), ("POD_NAMESPACE", "namespace"), ("POD_UID", "uid"))
    ]
    sidecar = {
        "name": "leader-sidecar",
        "restartPolicy": "Always",
        "args": ["run", "--election=e", "--etcd-endpoints=http://etcd:2379", "--native"],
        "env": env,
    }
    template = {
        "metadata": {"labels": {"app": "w"}},
        "spec": {
            "initContainers": [sidecar],
            "containers": [{"name": "w"}],
            **copy.deepcopy(GATE if pod is None else pod),
        },
    }
    return {"kind": kind, "metadata": {"name": "w"}, "spec": {"template": template, **spec}}


def ids(*manifests: dict[str, Any]) -> list[str]:
    return [str(each.id) for each in check_manifests(manifests, "x").findings]


def rolling(unavailable: object = None, surge: object = None) -> dict[str, Any]:
    given = {"maxUnavailable": unavailable, "maxSurge": surge}
    return {"strategy": {"rollingUpdate": {key: value for key, value in given.items() if value is not None}}}


STALLS, NEVER_COMPLETE = ["readiness-stalls"], ["readiness-never-complete"]


@pytest.mark.parametrize(
    ("replicas", "strategy", "expected"),
    [
        (3, rolling(0, 1), STALLS),
        (3, {}, STALLS),
        (3, rolling("25%", "25%"), STALLS),
        (3, rolling(1, 0), STALLS),
        (3, rolling(2, 0), STALLS),
        (3, rolling("99%", 0), STALLS),
        (3, rolling(3, 0), NEVER_COMPLETE),
        (3, rolling("100%", 0), NEVER_COMPLETE),
        (3, {"strategy": {"type": "Recreate"}}, NEVER_COMPLETE),
        (1, {}, STALLS),
        (1, rolling(0, 0), []),
        (1, rolling(1, 0), []),
        (1, {"strategy": {"type": "Recreate"}}, []),
        (0, {}, []),
    ],
)
def test_deployments(replicas: int, strategy: dict[str, Any], expected: list[str]) -> None:
    assert ids(workload("Deployment", {"replicas": replicas, **strategy})) == expected


@pytest.mark.parametrize(
    ("replicas", "strategy", "expected"),
    [
        (3, rolling(1, 1), STALLS),
        (3, rolling(2, 0), NEVER_COMPLETE),
        (3, rolling(2, 1), NEVER_COMPLETE),
        (1, {}, []),
    ],
)
def test_deployments_whose_leader_follows_the_rollout(
    replicas: int, strategy: dict[str, Any], expected: list[str]
) -> None:
    manifest = workload("Deployment", {"replicas": replicas, **strategy})
    manifest["spec"]["template"]["spec"]["initContainers"][0]["args"].append("--follow-rollout")
    assert ids(manifest) == expected


@pytest.mark.parametrize(
    ("replicas", "spec", "expected"),
    [
        (3, {}, STALLS),
        (3, {"podManagementPolicy": "OrderedReady"}, STALLS),
        (3, {"podManagementPolicy": "Parallel"}, STALLS),
        (3, {"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}}, NEVER_COMPLETE),
        (1, {}, []),
    ],
)
def test_stateful_sets(replicas: int, spec: dict[str, Any], expected: list[str]) -> None:
    assert ids(workload("StatefulSet", {"replicas": replicas, **spec})) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, STALLS),
        ({"rollingUpdate": {"maxUnavailable": 1}}, STALLS),
        ({"rollingUpdate": {"maxUnavailable": "100%"}}, []),
        ({"type": "OnDelete"}, []),
    ],
)
def test_daemon_sets(strategy: dict[str, Any], expected: list[str]) -> None:
    assert ids(workload("DaemonSet", {"updateStrategy": strategy})) == expected


@pytest.mark.parametrize(
    ("budget", "blocked"),
    [
        ({"minAvailable": 1}, "the leader"),
        ({"minAvailable": 2}, "nobody"),
        ({"minAvailable": "1%"}, "the leader"),
        ({"minAvailable": 0}, None),
        ({"maxUnavailable": 1}, "nobody"),
        ({"maxUnavailable": 2}, "the leader"),
        ({"maxUnavailable": 3}, None),
        ({"maxUnavailable": "100%"}, None),
    ],
)
def test_budgets(budget: dict[str, Any], blocked: str | None) -> None:
    selector = {"matchLabels": {"app": "w"}}
    manifest = {"kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {**budget, "selector": selector}}
    report = check_manifests([workload("Deployment", {"replicas": 3}), manifest], "x")
    said = [each.what for each in report.findings if each.id == "pdb-blocks"]
    assert [blocked in what for what in said if blocked] == ([True] if blocked else [])
    assert bool(said) is (blocked is not None)


@pytest.mark.parametrize(
    ("selector", "namespace"), [({"app": "other"}, ""), ({"app": "w"}, "elsewhere"), ({}, ""), (None, "")]
)
def test_other_pods_budgets_are_none_of_ours(selector: dict[str, str] | None, namespace: str) -> None:
    metadata = {"name": "b", "namespace": namespace}
    spec = {"minAvailable": 1, "selector": {"matchLabels": selector}}
    budget = {"kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    assert "pdb-blocks" not in ids(workload("Deployment", {"replicas": 3}), budget)


def test_a_budget_without_readiness_of_the_leader_alone_is_fine() -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "w"}}}
    assert ids(workload("Deployment", {"replicas": 3}, {}), {"kind": "PodDisruptionBudget", "spec": spec}) == []


def probe(**how: Any) -> dict[str, Any]:
    return {"containers": [{"name": "w", "ports": [{"name": "other", "containerPort": 80}], "readinessProbe": how}]}


@pytest.mark.parametrize(
    ("pod", "gates"),
    [
        (probe(httpGet={"path": "/leader", "port": 4041}), True),
        (probe(httpGet={"path": "/leader?x=1", "port": 4040}), True),
        (probe(exec={"command": ["curl", "-sf", "localhost:4040/leader"]}), True),
        (probe(exec={"command": ["sh", "-c", "wget -q http://127.0.0.1:4041/leader?a"]}), True),
        (probe(httpGet={"path": "/leader", "port": "other"}), False),
        (probe(httpGet={"path": "/readyz", "port": 4041}), False),
        (probe(httpGet={"path": "/leaderboard", "port": 4041}), False),
        (probe(exec={"command": ["curl", "localhost:4040/leader/watch"]}), False),
        (probe(exec={"command": ["curl", "localhost:8080/leader"]}), False),
        (probe(tcpSocket={"port": 4041}), False),
        ({"readinessGates": [{"conditionType": "example.com/ready"}]}, False),
        ({}, False),
    ],
)
def test_what_makes_the_leader_alone_ready(pod: dict[str, Any], gates: bool) -> None:
    assert ("readiness-stalls" in ids(workload("Deployment", {"replicas": 3}, pod))) is gates


def test_a_probe_of_the_sidecar_itself_on_the_leaders_verdict_counts_for_the_pod() -> None:
    made = workload("Deployment", {"replicas": 3}, {})
    sidecar = made["spec"]["template"]["spec"]["initContainers"][0]
    sidecar["ports"] = [{"name": "leader-health", "containerPort": 4041}]
    sidecar["readinessProbe"] = {"httpGet": {"path": "/leader", "port": "leader-health"}}
    assert ids(made) == STALLS


def test_injected_sidecars_follow_the_rollout_as_the_chart_tells_them() -> None:
    manifest = workload("Deployment", {"replicas": 3, **rolling(2, 0)})
    template = manifest["spec"]["template"]
    del template["spec"]["initContainers"]
    template["metadata"]["labels"]["leader-sidecar/inject"] = "e"
    assert ids(manifest) == NEVER_COMPLETE
