"""Injection by one label, on a real API server, and through the controllers that make the pods."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.children import Deadline
from tests.support.controlplane import Answer
from tests.support.installed import INJECT, Installed, message, pod
from tests.support.wishes import ACCEPTED_ELECTIONS, ASKED, REFUSED_ELECTIONS, Asked

pytestmark = pytest.mark.tools

WORDS = {
    "election": "an election's name has",
    "known": "there are ttl, lock-name, etcd-endpoints, label and route",
    "ttl": "whole seconds, at least 2",
    "lock-name": "leader-sidecar/lock-name: write a name",
    "etcd-endpoints": "leader-sidecar/etcd-endpoints: write http",
    "label": "leader-sidecar/label: write KEY=LEADER/FOLLOWER",
    "route": "leader-sidecar/route: write the name of a Service",
}


def annotated(asked: Asked) -> dict[str, str]:
    return {f"leader-sidecar/{name}": value for name, value in asked.annotations.items()}


def environment(made: dict[str, Any]) -> dict[str, str | None]:
    return {each["name"]: each.get("value") for each in made["spec"]["initContainers"][0]["env"]}


@pytest.fixture(scope="module")
def namespace(chart: Installed) -> str:
    return chart.namespace(standard="restricted")


@pytest.fixture
def ask(chart: Installed, namespace: str) -> Callable[..., Answer]:
    """A pod of election ``e`` unless told otherwise, asked for and not made."""

    def asking(**options: Any) -> Answer:
        return chart.dry_run(namespace, pod(**{"labels": {INJECT: "e"}, **options}))

    return asking


def test_a_labelled_pod_has_a_native_sidecar_first(ask: Callable[..., Answer]) -> None:
    made = ask().body
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["leader-sidecar"]
    assert made["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert made["spec"]["initContainers"][0]["args"] == ["run", "--native"]
    assert environment(made)["LEADER_SIDECAR_ELECTION"] == "e"
    assert made["metadata"]["labels"]["leader-sidecar/e"] == "follower"


def test_a_pod_without_the_label_stays_as_it_is(ask: Callable[..., Answer]) -> None:
    made = ask(labels={"app": "x"}).body
    assert "initContainers" not in made["spec"]
    assert made["metadata"]["labels"] == {"app": "x"}


def test_the_others_come_after_it_in_their_order(ask: Callable[..., Answer]) -> None:
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    two = [{"name": name, "image": "x:1", "securityContext": secure} for name in ("first", "second")]
    made = ask(initContainers=two).body
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["leader-sidecar", "first", "second"]


@pytest.mark.parametrize("where", ["initContainers", "containers"])
def test_a_pod_that_has_a_sidecar_already_stays_as_it_is(ask: Callable[..., Answer], where: str) -> None:
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    own = {"name": "leader-sidecar", "image": "mine:1", "securityContext": secure}
    made = ask(**{where: [own]}).body
    assert [each["image"] for each in made["spec"][where]] == ["mine:1"]
    assert "leader-sidecar/e" not in made["metadata"]["labels"]


def test_a_template_that_claims_the_lead_is_put_right(ask: Callable[..., Answer]) -> None:
    made = ask(labels={INJECT: "e", "leader-sidecar/e": "leader"}).body
    assert made["metadata"]["labels"]["leader-sidecar/e"] == "follower"


def test_the_sidecar_has_a_token_where_the_workload_wants_none(ask: Callable[..., Answer]) -> None:
    made = ask(automountServiceAccountToken=False).body
    assert made["spec"]["containers"][0].get("volumeMounts") is None
    assert made["spec"]["initContainers"][0]["volumeMounts"] == [
        {
            "name": "leader-sidecar-token",
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            "readOnly": True,
        }
    ]


def test_it_is_what_restricted_namespaces_accept_and_vouches_for_nobody_else(ask: Callable[..., Answer]) -> None:
    assert ask().status == 201
    refused = ask(containers=[{"name": "rash", "image": "x:1"}])
    assert refused.status == 403
    assert 'container "rash"' in message(refused)
    assert "leader-sidecar" not in message(refused).partition("violates")[2]


@pytest.mark.parametrize("election", ACCEPTED_ELECTIONS)
def test_an_election_s_name_is_taken(ask: Callable[..., Answer], election: str) -> None:
    answer = ask(labels={INJECT: election})
    assert answer.status == 201, answer
    assert environment(answer.body)["LEADER_SIDECAR_ELECTION"] == election


@pytest.mark.parametrize("election", REFUSED_ELECTIONS)
def test_another_name_is_refused(ask: Callable[..., Answer], election: str) -> None:
    assert WORDS["election"] in message(ask(labels={INJECT: election}))


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_settings_of_a_pod_s_own(ask: Callable[..., Answer], asked: Asked) -> None:
    answer = ask(annotations=annotated(asked))
    if asked.refused is None:
        assert answer.status == 201, answer
        for name, value in asked.annotations.items():
            assert environment(answer.body)["LEADER_SIDECAR_" + name.upper().replace("-", "_")] == value
    else:
        assert answer.status == 422, answer
        assert WORDS[asked.refused] in message(answer)


def test_the_node_s_network_is_refused(chart: Installed) -> None:
    open_to_all = chart.namespace()  # the restricted standard would refuse it itself
    answer = chart.dry_run(open_to_all, pod(labels={INJECT: "e"}, hostNetwork=True))
    assert "would be the node's" in message(answer)
    assert chart.dry_run(open_to_all, pod(hostNetwork=True)).status == 201


def test_a_pod_s_tokens_may_be_restored_with_it(ask: Callable[..., Answer]) -> None:
    assert ask(annotations={"leader-sidecar/e.token": "7", "other.example/x": "y"}).status == 201


def test_the_system_s_namespace_is_left_alone(chart: Installed) -> None:
    made = chart.dry_run("kube-system", pod(labels={INJECT: "NOT valid".replace(" ", "-")}))
    assert made.status == 201
    assert "initContainers" not in made.body["spec"]


def test_a_limit_range_fills_in_what_the_sidecar_leaves_open(chart: Installed) -> None:
    namespace = chart.namespace()
    limits = [{"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"}}]
    body = {"metadata": {"name": "l"}, "spec": {"limits": limits}}
    chart.plane.must("POST", f"/api/v1/namespaces/{namespace}/limitranges", body)
    made = eventually_made(chart, namespace, lambda sidecar: "cpu" in sidecar["resources"]["limits"])
    assert made["resources"]["limits"] == {"cpu": "500m", "memory": "160Mi"}


def eventually_made(chart: Installed, namespace: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = Deadline(30)
    made: dict[str, Any] = {}
    while deadline.goes_on():
        made = chart.dry_run(namespace, pod(labels={INJECT: "e"})).body["spec"]["initContainers"][0]
        if holds(made):
            return made
    raise AssertionError(made)


def template(election: str, **annotations: str) -> dict[str, Any]:
    made = pod(labels={"app": "w", INJECT: election}, annotations=annotations)
    del made["spec"]["nodeName"]
    return {"metadata": {key: made["metadata"][key] for key in ("labels", "annotations")}, "spec": made["spec"]}


def workload(kind: str, name: str, pods: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    selector = {"matchLabels": {"app": "w"}}
    metadata = {"name": name}
    if kind == "Job":
        pods["spec"]["restartPolicy"] = "Never"
        spec = {"template": pods, "parallelism": 3, "completions": 3}
        return "/apis/batch/v1", {"kind": kind, "metadata": metadata, "spec": spec}
    spec = {"selector": selector, "template": pods}
    if kind != "DaemonSet":
        spec |= {"replicas": 3}
    if kind == "StatefulSet":
        spec |= {"serviceName": "s"}
    return "/apis/apps/v1", {"kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_every_pod_of_a_workload_has_one(chart: Installed, kind: str) -> None:
    namespace = chart.namespace(standard="restricted")
    group, body = workload(kind, "w", template("w"))
    chart.plane.must("POST", f"{group}/namespaces/{namespace}/{kind.lower()}s", body)
    pods = wait_for_pods(chart, namespace, 3)
    for each in pods:
        assert [container["name"] for container in each["spec"]["initContainers"]] == ["leader-sidecar"]
        assert each["metadata"]["labels"]["leader-sidecar/w"] == "follower"
    stored = chart.plane.must("GET", f"{group}/namespaces/{namespace}/{kind.lower()}s/w")
    assert "initContainers" not in stored["spec"]["template"]["spec"], "the workload itself is not touched"


def wait_for_pods(chart: Installed, namespace: str, count: int) -> list[dict[str, Any]]:
    deadline = Deadline(60, poll_seconds=0.1)
    found: list[dict[str, Any]] = []
    while deadline.goes_on():
        found = chart.plane.must("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        if len(found) == count and all(each["status"]["phase"] == "Running" for each in found):
            return found
    raise AssertionError(f"{len(found)} pods: {[each['status'] for each in found]}")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
@pytest.mark.parametrize(
    ("election", "annotations", "spec", "words"),
    [
        ("NOPE", {}, {}, WORDS["election"]),
        ("w", {"leader-sidecar/ttl": "1"}, {}, WORDS["ttl"]),
        ("w", {"leader-sidecar/label": "app=w/x"}, {}, "would orphan the pod"),
        ("w", {}, {"hostNetwork": True}, "would be the node's"),
    ],
    ids=["name", "annotation", "selector", "network"],
)
def test_what_cannot_work_is_refused_on_the_workload_already(
    chart: Installed,
    namespace: str,
    kind: str,
    election: str,
    annotations: dict[str, str],
    spec: dict[str, Any],
    words: str,
) -> None:
    if kind == "Job" and words == "would orphan the pod":
        pytest.skip("a Job's selector is Kubernetes' own")
    pods = template(election, **annotations)
    pods["spec"] |= spec
    group, body = workload(kind, "refused", pods)
    answer = chart.plane.request("POST", f"{group}/namespaces/{namespace}/{kind.lower()}s?dryRun=All", body)
    assert answer.status == 422, answer
    assert words in message(answer)


def test_a_selector_by_the_fixed_label_is_refused(chart: Installed, namespace: str) -> None:
    pods = template("w")
    pods["metadata"]["labels"]["leader-sidecar/w"] = "follower"
    group, body = workload("Deployment", "refused", pods)
    body["spec"]["selector"] = {"matchLabels": {"leader-sidecar/w": "follower"}}
    answer = chart.plane.request("POST", f"{group}/namespaces/{namespace}/deployments?dryRun=All", body)
    assert "would orphan the pod" in message(answer)


def test_what_was_let_in_before_can_be_scaled_and_changed_elsewhere(chart: Installed, namespace: str) -> None:
    """A workload that came before the policy, which would now be refused, is not locked in."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/leader-sidecar-inject-owners"
    kept = chart.plane.must("GET", path)
    chart.plane.must("DELETE", path)
    group, body = workload("Deployment", "early", template("w", **{"leader-sidecar/ttl": "1"}))
    body["spec"]["replicas"] = 0
    deployments = f"{group}/namespaces/{namespace}/deployments"
    deadline = Deadline(30, poll_seconds=0.1)
    while deadline.goes_on() and chart.plane.request("POST", deployments, body).status != 201:
        continue
    fresh = {key: kept[key] for key in ("apiVersion", "kind", "spec")}
    metadata = {key: kept["metadata"].get(key, {}) for key in ("name", "labels", "annotations")}
    chart.plane.must("POST", path.rpartition("/")[0], fresh | {"metadata": metadata})
    late = workload("Deployment", "late", template("w", **{"leader-sidecar/ttl": "1"}))[1]
    deadline = Deadline(30, poll_seconds=0.1)
    while deadline.goes_on() and chart.plane.request("POST", f"{deployments}?dryRun=All", late).status != 422:
        continue
    scaled = {"metadata": {"labels": {"x": "y"}}, "spec": {"minReadySeconds": 1}}
    merge = "application/merge-patch+json"
    assert chart.plane.request("PATCH", f"{deployments}/early", scaled, content_type=merge).status == 200
