"""What a candidate may do with a Service's slices, asked of a real API server: the promises of docs/security.md."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from sidecar.election.route_scheme import Endpoint, Family, Port, Slice, slice_name
from sidecar.kube.route import write_slice
from tests.support.children import Deadline
from tests.support.controlplane import Answer, ControlPlane
from tests.support.helm import scenario
from tests.support.installed import ROUTE, Installed, bind, install, message

pytestmark = pytest.mark.tools

SERVICE = "web-leader"
NAME = slice_name(SERVICE, Family.IPV4)

UNBOUND = "a candidate's token must be bound to its pod"
MANAGED = "a candidate may write the slices that are leader-sidecar's own, named after their Service, and no others"
SERVICES = "a candidate may route the Services that its role names"
NOTHING_ELSE = "a slice bears a token and its Service as its owner, nothing else"
OWN_POD = "a candidate may name its own pod, or nobody"
NEEDS_TOKEN = "a slice that names a pod needs its token, a number"  # noqa: S105 - a message
HIGHER = "another pod may be replaced by who has a higher token"


@dataclass(frozen=True)
class Case:
    """One write of a candidate's. ``refusal`` is the policy's word, None where it is accepted.

    ``pod`` is whom the slice names, ``before`` whom and with which token it names already (None: there is no slice).
    ``change`` is made to the body (``PATHS``), and ``made`` to what is there already.
    """

    name: str
    pod: str
    token: int
    refusal: str | None = None
    before: tuple[str, int] | None = None
    change: dict[str, Any] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    service: str = SERVICE


CASES = [
    Case("make: its own pod", "own", 7),
    Case("make: nobody", "", 7),
    Case("make: nobody, without a token", "", 0),
    Case("take over: a higher token", "own", 9, None, ("other", 7)),
    Case("take over: nobody's", "own", 9, None, ("", 7)),
    Case("take over: nobody's, after etcd was replaced", "own", 3, None, ("", 7)),
    Case("empty: its own", "", 7, None, ("own", 7)),
    Case("empty: another's, with a higher token, as its pod lacks the family", "", 9, None, ("other", 7)),
    Case("its own, a lower token, after etcd was replaced", "own", 3, None, ("own", 7)),
    Case("its own, other ports", "own", 7, None, ("own", 7), {"ports": [{"name": "x", "port": 1, "protocol": "TCP"}]}),
    Case("take over: a lower token", "own", 5, HIGHER, ("other", 7)),
    Case("take over: the same token", "own", 7, HIGHER, ("other", 7)),
    Case("take over: an unreadable token", "own", 9, HIGHER, ("other", 7), made={"token": "many"}),
    Case("empty: another's", "", 7, HIGHER, ("other", 7)),
    Case("empty: another's, with a lower token", "", 5, HIGHER, ("other", 7)),
    Case("another pod", "other", 9, OWN_POD),
    Case("another pod, in the place of its own", "other", 9, OWN_POD, ("own", 7)),
    Case("no pod but an address", "own", 9, OWN_POD, change={"endpoints": [{"addresses": ["10.9.9.9"]}]}),
    Case("its pod's name with another uid", "own", 9, OWN_POD, change={"uid": "00000000-0000-0000-0000-000000000000"}),
    Case("two addresses", "own", 9, OWN_POD, change={"addresses": ["10.0.0.1", "10.0.0.2"]}),
    Case("two endpoints", "own", 9, OWN_POD, change={"endpoints": [{"addresses": ["10.0.0.1"]}] * 2}),
    Case("no token", "own", 0, NEEDS_TOKEN),
    Case("a token that is no number", "own", 0, NEEDS_TOKEN, change={"token": "seven"}),
    Case("another annotation", "own", 7, NOTHING_ELSE, change={"annotation": "x"}),
    Case("a finalizer", "own", 7, NOTHING_ELSE, change={"finalizers": ["x.example/y"]}),
    Case("another owner", "own", 7, NOTHING_ELSE, change={"owner": "ConfigMap"}),
    Case("another name", "own", 7, MANAGED, change={"name": "web-leader-x"}),
    Case("the name of the other family", "own", 7, MANAGED, change={"name": "web-leader-leader-sidecar-ipv6"}),
    Case("another manager", "own", 7, MANAGED, change={"manager": "endpointslice-controller.k8s.io"}),
    Case("another label", "own", 7, MANAGED, change={"label": "x"}),
    Case("a slice of another's", "own", 7, MANAGED, ("", 0), made={"manager": "endpointslice-controller.k8s.io"}),
    Case("a Service that the role does not name", "own", 7, SERVICES, service="web"),
]


class Candidates:
    """Two pods of one service account, and the token of the first."""

    def __init__(self, chart: Installed) -> None:
        self.plane, self.namespace = chart.plane, chart.namespace()
        bind(self.plane, self.namespace, to=ROUTE)
        made = {name: self.plane.create_pod(self.namespace, name) for name in ("own", "other")}
        self.uids = {name: pod["metadata"]["uid"] for name, pod in made.items()}
        spec = {"ports": [{"port": 80}]}  # a slice whose Service is none goes, by the garbage collector's hand
        made_service = self.plane.must(
            "POST",
            f"/api/v1/namespaces/{self.namespace}/services",
            {"metadata": {"name": SERVICE}, "spec": spec},
        )
        self.service_uid = made_service["metadata"]["uid"]
        self.token = self.plane.pod_token(self.namespace, "default", "own", self.uids["own"])

    @property
    def path(self) -> str:
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    def body(self, pod: str, token: int, service: str = SERVICE) -> dict[str, Any]:
        endpoints = (Endpoint("10.0.0.1", pod, self.uids[pod], "manual"),) if pod else ()
        what = Slice(Family.IPV4, "", token, endpoints, (Port("web", "TCP", 80),), self.service_uid)
        name = slice_name(service, Family.IPV4)
        return write_slice(what, name=name, namespace=self.namespace, service=service)

    def write(self, case: Case, token: str | None = None) -> Answer:
        self.plane.request("DELETE", f"{self.path}/{NAME}")
        body = changed(self.body(case.pod, case.token, case.service), case.change)
        method, path = "POST", self.path
        if case.before is not None:
            self.plane.must("POST", self.path, changed(self.body(*case.before), case.made))
            method, path = "PUT", f"{self.path}/{NAME}"
        return self.plane.request(method, f"{path}?dryRun=All", body, token=token or self.token)


PATHS: dict[str, tuple[str | int, ...]] = {
    "endpoints": ("endpoints",),
    "ports": ("ports",),
    "uid": ("endpoints", 0, "targetRef", "uid"),
    "addresses": ("endpoints", 0, "addresses"),
    "token": ("metadata", "annotations", "leader-sidecar/token"),
    "annotation": ("metadata", "annotations", "x.example/y"),
    "finalizers": ("metadata", "finalizers"),
    "owner": ("metadata", "ownerReferences", 0, "kind"),
    "name": ("metadata", "name"),
    "manager": ("metadata", "labels", "endpointslice.kubernetes.io/managed-by"),
    "label": ("metadata", "labels", "x.example/y"),
}


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    body = copy.deepcopy(body)
    for what, value in changes.items():
        at: Any = body
        *way, last = PATHS[what]
        for step in way:
            at = at[step]
        at[last] = value
    return body


@pytest.fixture(scope="module")
def routed(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart with ``route``, in force."""
    values = yaml.safe_load(scenario("injection").read_text())
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(yaml.safe_dump(values | {"route": {"enabled": True, "services": [SERVICE]}}))
    with install(plane, values=file) as installed:
        yield installed


@pytest.fixture(scope="module")
def candidates(routed: Installed) -> Candidates:
    candidates = Candidates(routed)
    deadline = Deadline(60, poll_seconds=0.05)
    while deadline.goes_on():
        answer = candidates.write(Case("", "other", 7))
        if OWN_POD in message(answer):
            return candidates
    raise AssertionError(f"the policy is not in force: {answer}")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_candidate_names_its_own_pod_in_its_services_slices_and_no_more(candidates: Candidates, case: Case) -> None:
    answer = candidates.write(case)
    if case.refusal is None:
        assert answer.status in (200, 201), answer
    else:
        assert answer.status == 403, answer
        assert case.refusal in message(answer)


def test_a_token_that_is_bound_to_no_pod_may_do_nothing(candidates: Candidates) -> None:
    unbound = candidates.plane.unbound_token(candidates.namespace, "default")
    answer = candidates.write(Case("", "own", 7), unbound)
    assert answer.status == 403
    assert UNBOUND in message(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", f"endpointslices/{NAME}"), ("PATCH", f"endpointslices/{NAME}"), ("DELETE", "endpointslices")],
)
def test_slices_are_not_deleted_and_not_patched(candidates: Candidates, method: str, path: str) -> None:
    whole = f"/apis/discovery.k8s.io/v1/namespaces/{candidates.namespace}/{path}"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    assert candidates.plane.request(method, whole, {}, content_type=kind, token=candidates.token).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_service_itself_is_not_written(candidates: Candidates, method: str) -> None:
    name = "" if method == "POST" else f"/{SERVICE}"
    path = f"/api/v1/namespaces/{candidates.namespace}/services{name}"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    assert candidates.plane.request(method, path, {}, content_type=kind, token=candidates.token).status == 403


def test_an_administrators_slices_are_left_alone(candidates: Candidates) -> None:
    assert candidates.write(Case("", "other", 0), candidates.plane.admin_token).status == 201


def test_the_policy_compiles_without_a_warning(routed: Installed) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/leader-sidecar-route"
    deadline = Deadline(30, poll_seconds=0.1)
    while deadline.goes_on():
        status = routed.plane.must("GET", path).get("status", {})
        if status.get("observedGeneration"):
            break
    assert not status.get("typeChecking", {}).get("expressionWarnings"), status
