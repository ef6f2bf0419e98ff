"""What a candidate may do with its rights, asked of a real API server: the promises of docs/security.md, one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.controlplane import Answer, ControlPlane
from tests.support.helm import scenario
from tests.support.installed import Installed, install, message

pytestmark = pytest.mark.tools

E = "leader-sidecar/e"
TOKEN = E + ".token"
MERGE = "application/merge-patch+json"

UNBOUND = "a candidate's token must be bound to its pod"
NOTHING_ELSE = "a candidate may change its election's label and its token, nothing else"
LABELS = "a candidate may label its own pod, and take the leader's label off other pods"
TOKENS = (
    "a candidate may write its token, a number, on its own pod, and on others where it takes the leader's label off"
)
NEVER_DOWN = "a label needs its token, and a token never goes down"
OWN_STATUS = "a candidate may write the status of its own pod only"
OWN_GATE = "a candidate may write its own readiness gate, nothing else of a status"


@dataclass(frozen=True)
class Case:
    """One patch of a candidate's. ``refusal`` is the policy's word, None where it is accepted.

    ``on`` is the pod, ``own`` or ``other``; ``labels`` and ``notes`` are what it bears before (None: what the case has
    needs none); ``patch`` is a merge patch.
    """

    name: str
    on: str
    patch: dict[str, Any]
    refusal: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    status: bool = False
    strategic: bool = False


def meta(
    labels: Mapping[str, str | None] | None = None, notes: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    return {"metadata": {"labels": dict(labels or {}), "annotations": dict(notes or {})}}


LEADER = {E: "leader"}
ELECTING = {E: "electing"}
FOLLOWER = {E: "follower"}

DEFAULT_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]
"""What every pod has; they may be added to, not changed."""

CASES = [
    Case("follower, without a token", "own", meta(FOLLOWER)),
    Case("leader, with its token", "own", meta(LEADER, {TOKEN: "7"})),
    Case("electing, with its token", "own", meta(ELECTING, {TOKEN: "7"})),
    Case("leader again, with a higher token", "own", meta(LEADER, {TOKEN: "9"}), None, LEADER, {TOKEN: "7"}),
    Case("follower, its token kept", "own", meta(FOLLOWER), None, LEADER, {TOKEN: "7"}),
    Case("follower, its token removed", "own", meta(FOLLOWER, {TOKEN: None}), None, LEADER, {TOKEN: "7"}),
    Case("its label removed", "own", meta({E: None}), None, LEADER, {TOKEN: "7"}),
    Case("a lower token, while it follows", "own", meta({}, {TOKEN: "3"}), None, FOLLOWER, {TOKEN: "7"}),
    Case(
        "two elections at once",
        "own",
        meta({E: "leader", "leader-sidecar/f": "leader"}, {TOKEN: "7", "leader-sidecar/f.token": "8"}),
    ),
    Case("a label of the user's", "own", meta({"role": "primary"}, {"role.token": "7"})),
    Case("a label of the user's, follower", "own", meta({"role": "replica"})),
    Case("strip: a leader, with a higher token", "other", meta(FOLLOWER, {TOKEN: "9"}), None, LEADER, {TOKEN: "7"}),
    Case("strip: a leader, with the same token", "other", meta(FOLLOWER, {TOKEN: "7"}), None, LEADER, {TOKEN: "7"}),
    Case("strip: one that is electing", "other", meta(FOLLOWER, {TOKEN: "9"}), None, ELECTING, {TOKEN: "7"}),
    Case("strip: a leader without a token", "other", meta(FOLLOWER, {TOKEN: "9"}), None, LEADER),
    Case("strip: by removal", "other", meta({E: None}, {TOKEN: "9"}), None, LEADER, {TOKEN: "7"}),
    Case(
        "strip: a label of the user's",
        "other",
        meta({"role": "replica"}, {"role.token": "9"}),
        None,
        {"role": "primary"},
        {"role.token": "7"},
    ),
    # nothing else of a pod
    Case(
        "an image",
        "own",
        {"spec": {"containers": [{"name": "workload", "image": "x:2"}]}},
        NOTHING_ELSE,
        strategic=True,
    ),
    Case(
        "an image of another pod",
        "other",
        {"spec": {"containers": [{"name": "workload", "image": "x:2"}]}},
        NOTHING_ELSE,
        strategic=True,
    ),
    Case(
        "a toleration", "own", {"spec": {"tolerations": [*DEFAULT_TOLERATIONS, {"operator": "Exists"}]}}, NOTHING_ELSE
    ),
    Case("a deadline", "own", {"spec": {"activeDeadlineSeconds": 5}}, NOTHING_ELSE),
    Case("a finalizer", "own", {"metadata": {"finalizers": ["x.example/y"]}}, NOTHING_ELSE),
    Case(
        "an owner",
        "own",
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}},
        NOTHING_ELSE,
    ),
    Case("generateName", "own", {"metadata": {"generateName": "x-"}}, NOTHING_ELSE),
    # labels
    Case("another value", "own", meta({E: "boss"}), LABELS),
    Case("another label", "own", meta({"app": "x"}), LABELS),
    Case("the label by which it was injected", "own", meta({"leader-sidecar/inject": "follower"}), LABELS),
    Case("a label that looks like a token", "own", meta({TOKEN: "follower"}), LABELS),
    Case("the user's label with a foreign value", "own", meta({"role": "boss"}), LABELS),
    Case("the user's label with the fixed one's value", "own", meta({"role": "leader"}, {"role.token": "7"}), LABELS),
    Case("the fixed label with the user's value", "own", meta({E: "primary"}, {TOKEN: "7"}), LABELS),
    Case("make another the leader", "other", meta(LEADER, {TOKEN: "7"}), LABELS),
    Case("make another electing", "other", meta(ELECTING, {TOKEN: "7"}), LABELS),
    Case("take a follower's label", "other", meta({E: None}), LABELS, FOLLOWER),
    Case("give a leader another value", "other", meta({E: "boss"}, {TOKEN: "9"}), LABELS, LEADER, {TOKEN: "7"}),
    Case("take another label", "other", meta({"app": None}), LABELS, {"app": "x"}),
    Case("a label through the status", "own", meta(FOLLOWER), OWN_STATUS, status=True),
    # tokens
    Case("a token that is no number", "own", meta(LEADER, {TOKEN: "x"}), TOKENS),
    Case("a token too long for a number", "own", meta(LEADER, {TOKEN: "1" * 19}), TOKENS),
    Case("another annotation", "own", meta({}, {"x": "y"}), TOKENS),
    Case("a token alone, on a follower", "other", meta({}, {TOKEN: "9"}), TOKENS, FOLLOWER, {TOKEN: "7"}),
    Case("a token alone, on a leader", "other", meta({}, {TOKEN: "9"}), TOKENS, LEADER, {TOKEN: "7"}),
    Case("remove a token", "other", meta({}, {TOKEN: None}), TOKENS, FOLLOWER, {TOKEN: "7"}),
    Case("remove somebody's annotation", "other", meta({}, {"x": None}), TOKENS, {}, {"x": "y"}),
    # never down
    Case("leader without a token", "own", meta(LEADER), NEVER_DOWN),
    Case("electing without a token", "own", meta(ELECTING), NEVER_DOWN),
    Case("leader with a lower token", "own", meta(LEADER, {TOKEN: "3"}), NEVER_DOWN, FOLLOWER, {TOKEN: "7"}),
    Case("strip with a lower token", "other", meta(FOLLOWER, {TOKEN: "3"}), NEVER_DOWN, LEADER, {TOKEN: "7"}),
    Case(
        "strip one electing with a lower token",
        "other",
        meta(FOLLOWER, {TOKEN: "3"}),
        NEVER_DOWN,
        ELECTING,
        {TOKEN: "7"},
    ),
    Case("strip without a token where there is none", "other", meta(FOLLOWER), NEVER_DOWN, LEADER),
    Case(
        "replace a token that cannot be read", "other", meta(FOLLOWER, {TOKEN: "9"}), NEVER_DOWN, LEADER, {TOKEN: "x"}
    ),
    Case("the user's label without a token", "own", meta({"role": "primary"}), NEVER_DOWN),
    # the status, were somebody to grant it
    Case(
        "its own gate",
        "own",
        {"status": {"conditions": [{"type": "leader-sidecar/e", "status": "True"}]}},
        status=True,
        strategic=True,
    ),
    Case(
        "another's gate",
        "other",
        {"status": {"conditions": [{"type": "leader-sidecar/e", "status": "True"}]}},
        OWN_STATUS,
        status=True,
        strategic=True,
    ),
    Case(
        "Ready",
        "own",
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        OWN_GATE,
        status=True,
        strategic=True,
    ),
    Case("an address", "own", {"status": {"podIP": "10.9.9.9"}}, OWN_GATE, status=True),
    Case("a phase", "own", {"status": {"phase": "Succeeded"}}, OWN_GATE, status=True),
]


class Candidates:
    """Two pods of one service account that is a candidate, and may even write pods' statuses."""

    def __init__(self, chart: Installed) -> None:
        self.plane: ControlPlane = chart.plane
        self.namespace = chart.namespace()
        rule = {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]}
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.plane.must("POST", f"{roles}/roles", {"metadata": {"name": "status"}, "rules": [rule]})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "status"}
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        binding = {"metadata": {"name": "status"}, "roleRef": reference, "subjects": [subject]}
        self.plane.must("POST", f"{roles}/rolebindings", binding)
        self.uids = {name: self.plane.create_pod(self.namespace, name)["metadata"]["uid"] for name in ("own", "other")}
        self.token = self.plane.pod_token(self.namespace, "default", "own", self.uids["own"])

    def set_up(self, name: str, labels: Mapping[str, str], notes: Mapping[str, str]) -> None:
        now = self.plane.pod(self.namespace, name)["metadata"]
        gone_labels = dict.fromkeys(now.get("labels", {}))
        gone_notes = dict.fromkeys(now.get("annotations", {}))
        self.plane.must(
            "PATCH", self.path(name), meta({**gone_labels, **labels}, {**gone_notes, **notes}), content_type=MERGE
        )

    def path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{name}"

    def patch(self, case: Case, token: str | None = None) -> Answer:
        kind = "application/strategic-merge-patch+json" if case.strategic else MERGE
        path = self.path(case.on) + ("/status" if case.status else "") + "?dryRun=All"
        return self.plane.request("PATCH", path, case.patch, content_type=kind, token=token or self.token)


@pytest.fixture(scope="module")
def chart(plane: ControlPlane) -> Iterator[Installed]:
    with install(plane, values=scenario("injection")) as installed:
        yield installed


@pytest.fixture(scope="module")
def candidates(chart: Installed) -> Candidates:
    return Candidates(chart)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.on}: {case.name}" for case in CASES])
def test_a_candidate_keeps_its_label_and_no_more(candidates: Candidates, case: Case) -> None:
    candidates.set_up(case.on, case.labels, case.notes)
    answer = candidates.patch(case)
    if case.refusal is None:
        assert answer.status == 200, answer
    else:
        assert answer.status == 403, answer
        assert case.refusal in message(answer)


def test_a_token_that_is_bound_to_no_pod_may_do_nothing(candidates: Candidates) -> None:
    candidates.set_up("own", {}, {})
    unbound = candidates.plane.unbound_token(candidates.namespace, "default")
    answer = candidates.patch(Case("", "own", meta(FOLLOWER)), unbound)
    assert answer.status == 403
    assert UNBOUND in message(answer)


def test_a_pod_of_the_same_name_made_anew_is_another(candidates: Candidates) -> None:
    """The token names the pod it was made for by its uid."""
    plane, namespace = candidates.plane, candidates.namespace
    first = plane.create_pod(namespace, "anew")["metadata"]["uid"]
    token = plane.pod_token(namespace, "default", "anew", first)
    plane.delete_pod(namespace, "anew")
    plane.create_pod(namespace, "anew")
    answer = candidates.patch(Case("", "anew", meta(FOLLOWER)), token)
    assert answer.status in {401, 403}, "the API server keeps a gone pod's token for some seconds, and then no more"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "pods/other", None),
        ("POST", "pods", {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "c", "image": "c"}]}}),
        ("PUT", "pods/own", {}),
        ("GET", "secrets", None),
        ("POST", "pods/own/exec", {}),
        ("PATCH", "../default/pods/x", {"metadata": {"labels": FOLLOWER}}),
    ],
    ids=["delete a pod", "make a pod", "replace a pod", "read secrets", "enter a pod", "another namespace"],
)
def test_rights_are_the_labels_alone(
    candidates: Candidates, method: str, path: str, body: dict[str, Any] | None
) -> None:
    whole = f"/api/v1/namespaces/{candidates.namespace}/{path}".replace(f"{candidates.namespace}/../", "")
    kind = MERGE if method == "PATCH" else "application/json"
    assert candidates.plane.request(method, whole, body, content_type=kind, token=candidates.token).status == 403


def test_an_event_about_its_own_pod_only(candidates: Candidates) -> None:
    def event(name: str) -> Answer:
        about = {"kind": "Pod", "namespace": candidates.namespace, "name": name, "uid": candidates.uids[name]}
        body = {"metadata": {"generateName": "e-"}, "involvedObject": about, "reason": "LeaderElected"}
        path = f"/api/v1/namespaces/{candidates.namespace}/events"
        return candidates.plane.request("POST", path, body, token=candidates.token)

    assert event("own").status == 201
    refused = event("other")
    assert refused.status == 403
    assert "Events about its own pod only" in message(refused)


def test_an_event_of_the_newer_kind_is_held_to_the_same(candidates: Candidates) -> None:
    """Rights for events.k8s.io are not given; were they, the policy matches that kind too, as its equivalent."""
    path = f"/apis/events.k8s.io/v1/namespaces/{candidates.namespace}/events"
    assert candidates.plane.request("POST", path, {"metadata": {"name": "x"}}, token=candidates.token).status == 403


def test_others_are_left_alone(candidates: Candidates) -> None:
    """A service account that may change pods anyway is no candidate's business, and neither is one without the mark."""
    plane, namespace = candidates.plane, candidates.namespace
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    for name, verbs in (("changer", ["patch", "update", "get"]), ("patcher", ["patch", "get"])):
        plane.create_service_account(namespace, name)
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": verbs}
        plane.must("POST", f"{roles}/roles", {"metadata": {"name": name}, "rules": [rule]})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        plane.must(
            "POST", f"{roles}/rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        )
        token = plane.unbound_token(namespace, name)
        assert candidates.patch(Case("", "other", meta({"app": "x"})), token).status == 200
    assert candidates.patch(Case("", "other", meta({"app": "x"})), plane.admin_token).status == 200


def test_the_administrator_of_a_namespace_may_bind_the_role_and_no_wider_one(candidates: Candidates) -> None:
    plane, namespace = candidates.plane, candidates.namespace
    plane.create_service_account(namespace, "boss")
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"

    def binding(role: str, name: str) -> dict[str, Any]:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        return {"metadata": {"generateName": "b-"}, "roleRef": reference, "subjects": [subject]}

    plane.must("POST", bindings, binding("admin", "boss"))
    token = plane.unbound_token(namespace, "boss")
    assert plane.request("POST", bindings, binding("leader-sidecar:candidate", "default"), token=token).status == 201
    assert plane.request("POST", bindings, binding("cluster-admin", "default"), token=token).status == 403


def test_the_policies_compile_without_a_warning(chart: Installed) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    policies = chart.plane.must("GET", path)["items"]
    assert {policy["metadata"]["name"] for policy in policies} >= {"leader-sidecar", "leader-sidecar-events"}
    for policy in policies:
        assert not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings"), policy["metadata"][
            "name"
        ]
