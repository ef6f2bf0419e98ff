"""What check concludes from what it saw of etcd, of Kubernetes and of the machine: tables."""

from pathlib import Path

import pytest

from sidecar.check import etcd, kube, machine
from sidecar.check import settings as rules
from sidecar.check.finding import Finding
from sidecar.check.manifests.told import flags_of_process
from sidecar.errors import AuthenticationFailed, EtcdError, EtcdUnavailable, NoSpace, PermissionDenied
from sidecar.etcd.survey import Member, Session
from sidecar.etcd.survey import Survey as EtcdSurvey
from sidecar.kube.survey import MARK, RIGHTS, ROLLOUT_RIGHTS, WIDE, Identity, Right, Said
from sidecar.kube.survey import Survey as KubeSurvey
from sidecar.settings import Surroundings, build, cautions

GOOD = Member("http://etcd:2379", "3.6.14", 1, 0.001)
KEPT = Session(10, 0.002)
TTL = 8  # an attempt has one second


def shown(findings: list[Finding]) -> set[str]:
    return {f"{finding.severity} {finding.id}" for finding in findings}


@pytest.mark.parametrize(
    ("members", "session", "expected"),
    [
        ([GOOD], KEPT, set()),
        ([GOOD, GOOD], KEPT, set()),
        ([Member("a", "3.5.12", 1, 0.001)], KEPT, {"error etcd-outdated"}),
        ([Member("a", "3.3.27", 1, 0.001)], KEPT, {"error etcd-outdated"}),
        ([Member("a", "main", 1, 0.001)], KEPT, {"note etcd-version-unknown"}),
        ([GOOD, Member("b", error=EtcdUnavailable("silent"))], KEPT, {"warning etcd-member-away"}),
        ([GOOD, Member("b", "3.6.0", 2, 0.001)], KEPT, {"error etcd-clusters"}),
        # it told its version, and has no quorum to read with
        ([Member("a", "3.6.0", 1, error=EtcdUnavailable("no quorum"))], KEPT, set()),
        ([Member("a", error=PermissionDenied("no"))], KEPT, set()),
        ([Member("a", "3.6.0", 1, 0.49)], KEPT, set()),
        ([Member("a", "3.6.0", 1, 0.5)], KEPT, {"warning etcd-slow"}),
        ([Member("a", "3.6.0", 1, 1.0)], KEPT, {"error etcd-slow"}),
        ([GOOD], Session(TTL, 0.6), {"warning etcd-slow"}),
        ([GOOD], Session(TTL, 1.1), {"error etcd-slow"}),
        ([GOOD], Session(20, 0.6), {"warning ttl-raised"}),  # the granted TTL gives an attempt more time
        ([GOOD], Session(error=NoSpace("full")), {"error etcd-full"}),
        ([GOOD], Session(error=EtcdUnavailable("no quorum")), {"error etcd-unreachable"}),
        ([GOOD], Session(TTL, 0.1, EtcdUnavailable("not given back")), {"error etcd-unreachable"}),
    ],
)
def test_etcd(members: list[Member], session: Session, expected: set[str]) -> None:
    granted = Session(TTL, session.renew_seconds) if session is KEPT else session
    survey = EtcdSurvey(tuple(members), None, granted, {}, ())
    assert shown(list(etcd.findings(survey, TTL))) == expected


@pytest.mark.parametrize(
    ("rights", "session", "expected"),
    [
        ({"/lock": None, "meta/": None}, KEPT, set()),
        ({"/lock": PermissionDenied("no"), "meta/": None}, KEPT, {"error etcd-rights"}),
        ({"/lock": None, "meta/": PermissionDenied("no")}, KEPT, {"warning etcd-rights"}),
        ({"/lock": EtcdError("odd")}, KEPT, {"error etcd-unreachable"}),
        # said by the session already
        ({"/lock": EtcdUnavailable("away")}, Session(error=EtcdUnavailable("away")), set()),
    ],
)
def test_rights_in_etcd(rights: dict[str, EtcdError | None], session: Session, expected: set[str]) -> None:
    assert shown(list(etcd.rights(rights, session))) == expected


def test_a_refused_user_is_said_once() -> None:
    refused = AuthenticationFailed("wrong password")
    survey = EtcdSurvey((Member("a", error=refused),), refused, Session(error=refused), {}, ())
    assert shown(list(etcd.findings(survey, TTL))) == {"error etcd-user"}


@pytest.mark.parametrize(
    ("names", "default_lock", "found"),
    [
        (["a", "b"], True, False),
        (["a", "elsewhere"], True, True),
        (["a", ""], True, False),  # a Go mutex has no name
        (["a", "elsewhere"], False, False),  # a lock name of one's own is shared on purpose
    ],
)
def test_strangers(names: list[str], default_lock: bool, found: bool) -> None:
    said = list(etcd.strangers(names, ["a", "b", "c"], named_cluster=False, default_lock=default_lock))
    assert shown(said) == ({"warning strangers"} if found else set())


BOUND = Identity("system:serviceaccount:n:s", "a", "uid")
MAY: dict[Right, bool | None] = {
    **dict.fromkeys(RIGHTS, True),
    **dict.fromkeys(WIDE, False),
    **dict.fromkeys(MARK, True),
}
DENIED = Said(403, "denied", ("ValidatingAdmissionPolicy 'leader-sidecar' denied it",))
ACCEPTED = Said(200)


def kubernetes(
    identity: Identity | None = BOUND,
    allowed: dict[Right, bool | None] = MAY,
    must_deny: Said = DENIED,
    write: Said = ACCEPTED,
) -> set[str]:
    survey = KubeSurvey(Said(201), identity, allowed, {}, must_deny, {"follower": write})
    return shown(list(kube.findings(survey, namespace="n", pod_name="a", pod_uid="uid")))


def test_a_pod_with_its_rights_under_the_policy_is_right() -> None:
    assert kubernetes() == set()


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (None, {"note token-unknown"}),
        (Identity("admin", None, None), {"note token-unknown"}),
        (Identity(BOUND.user, None, None), {"error token-unbound"}),
        (Identity(BOUND.user, "b", "uid"), {"error token-of-another"}),
        (Identity(BOUND.user, "a", "older"), {"error token-of-another"}),
    ],
)
def test_whose_token_it_is(identity: Identity | None, expected: set[str]) -> None:
    assert kubernetes(identity) == expected


@pytest.mark.parametrize(
    ("right", "allowed", "expected"),
    [
        (RIGHTS[0], False, {"error rights-missing"}),
        (RIGHTS[1], False, {"error rights-missing"}),
        (RIGHTS[2], False, {"error rights-missing"}),
        (RIGHTS[3], False, {"warning rights-missing"}),
        (RIGHTS[0], None, set()),
        (MARK[0], False, {"warning mark-missing"}),
        (WIDE[0], True, {"warning rights-wide"}),
    ],
)
def test_rights_on_pods(right: Right, allowed: bool | None, expected: set[str]) -> None:
    assert kubernetes(allowed={**MAY, right: allowed}) == expected


@pytest.mark.parametrize(
    ("must_deny", "write", "expected"),
    [
        (ACCEPTED, ACCEPTED, {"warning policy-missing"}),
        (DENIED, DENIED, {"error policy-refuses"}),
        (DENIED, Said(422, "label"), {"error policy-refuses"}),
        (Said(422, "no such key"), Said(422, "no such key"), {"error policy-broken"}),
        (DENIED, Said(0, "no answer"), set()),
    ],
)
def test_the_policy(must_deny: Said, write: Said, expected: set[str]) -> None:
    assert kubernetes(must_deny=must_deny, write=write) == expected


def test_an_administrator_who_runs_it_is_no_sign_of_a_missing_policy() -> None:
    assert kubernetes(Identity("admin", None, None), must_deny=ACCEPTED) == {"note token-unknown"}


@pytest.mark.parametrize("said", [Said(401, "Unauthorized"), Said(0, "refused")])
def test_an_api_server_that_does_not_answer_is_all_that_is_said(said: Said) -> None:
    survey = KubeSurvey(said)
    found = list(kube.findings(survey, namespace="n", pod_name="a", pod_uid="uid"))
    assert shown(found) == {"error kube-unreachable"}


def test_a_pod_that_is_not_there_is_named() -> None:
    survey = KubeSurvey(Said(201), BOUND, MAY)
    assert shown(list(kube.findings(survey, namespace="n", pod_name="a", pod_uid="uid"))) == {"error downward-api"}


@pytest.mark.parametrize(
    ("source", "counts_suspend", "found"),
    [
        ("tsc", True, 0),
        ("kvm-clock", True, 0),
        ("arch_sys_counter", True, 0),
        (None, True, 0),
        ("hpet", True, 1),
        ("acpi_pm", True, 1),
        ("jiffies", True, 1),
        ("tsc", False, 1),
    ],
)
def test_clocks(source: str | None, counts_suspend: bool, found: int) -> None:
    assert len(list(rules.clock("here", source, counts_suspend=counts_suspend))) == found


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        ("http://etcd:2379", False),
        ("http://etcd.etcd:2379", False),
        ("http://etcd.etcd.svc:2379", False),
        ("http://etcd.etcd.svc.cluster.local:2379", False),
        ("http://127.0.0.1:2379", False),
        ("https://etcd.example.com:2379", True),
        ("https://10.0.0.5:2379", True),
        ("https://[2001:db8::1]:2379", True),
        ("http://[::1]:2379", False),
    ],
)
def test_an_etcd_outside_the_cluster_may_have_other_clusters(endpoint: str, found: bool) -> None:
    choice = rules.EtcdChoice((endpoint,), user=False, cluster_name=None, default_lock=True)
    assert bool(list(rules.etcd_choice("x", choice))) is found
    named = rules.EtcdChoice((endpoint,), user=False, cluster_name="c", default_lock=True)
    assert not list(rules.etcd_choice("x", named))


@pytest.mark.parametrize(
    ("flags", "cores"),
    [
        ({}, None),
        ({"ttl_seconds": "3"}, None),
        ({"ttl_seconds": "6"}, None),
        ({}, 0.1),
        ({}, 0.2),
        ({"etcd_user": "u"}, None),
        ({"cluster_name": "c", "lock_name": "/x"}, None),
    ],
)
def test_whatever_a_start_warns_of_check_finds_too(flags: dict[str, str], cores: float | None, tmp_path: Path) -> None:
    environ = {"LEADER_SIDECAR_ETCD_PASSWORD": "p"} if "etcd_user" in flags else {}
    surroundings = Surroundings(environ, "host", tmp_path, on_terminal=False)
    settings = build({"elections": ("e",), "etcd_endpoints": "http://etcd:2379", **flags}, surroundings)
    choice = rules.EtcdChoice(
        settings.etcd_endpoints, bool(settings.etcd_user), settings.cluster_name, "lock_name" not in flags
    )
    found = [*rules.ttl("x", settings.ttl_seconds), *rules.cores("x", cores), *rules.etcd_choice("x", choice)]
    assert len(found) == len(cautions(settings, cores))


def test_the_clock_source_is_read_where_it_can_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "current"
    assert machine.clock_source(file) is None
    file.write_text("tsc\n")
    assert machine.clock_source(file) == "tsc"


def test_the_running_sidecars_flags_are_taken_from_its_command_line(tmp_path: Path) -> None:
    file = tmp_path / "cmdline"
    assert machine.first_process(file) == []
    file.write_bytes(
        b"/usr/bin/python3\0/usr/bin/leader-sidecar\0run\0--election\0e\0--ttl=20\0--native\0--no-labels\0"
    )
    assert flags_of_process(machine.first_process(file)) == {
        "elections": ("e",),
        "ttl_seconds": "20",
        "native": True,
        "labels": False,
    }


@pytest.mark.parametrize("words", [[], ["/pause"], ["npm", "run", "--ttl=3"], ["leader-sidecar", "wait", "--ttl=3"]])
def test_other_programs_flags_are_not(words: list[str]) -> None:
    assert flags_of_process(words) == {}


@pytest.mark.parametrize(("follows", "expected"), [(True, {"warning rights-missing"}), (False, set())])
def test_rights_to_owners_are_missed_where_the_rollout_is_followed(follows: bool, expected: set[str]) -> None:
    allowed: dict[Right, bool | None] = {**dict.fromkeys(RIGHTS, True), ROLLOUT_RIGHTS[1]: False}
    found = list(kube.rights(allowed, "shop", rollouts=follows))
    assert shown(found) == expected
    assert all("get deployments" in each.what and "followRollout" in each.mend for each in found)
