"""``leader-sidecar check`` on real etcd and a real kube-apiserver: names what is wrong, and nothing that is right."""

import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import DISTRO, Clusters
from tests.support.children import free_ports
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Account, Cluster, running
from tests.support.policy import apply_policy
from tests.support.sidecar import SidecarProcess

_NUMBERS = itertools.count()
_PLACEHOLDER_UID = "00000000-0000-0000-0000-000000000000"


class Checked:
    """One run's exit code and findings by id; of several with one id, the last."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        assert done.stdout, done.stderr
        self.exit_code = done.returncode
        self.report: dict[str, Any] = json.loads(done.stdout)
        self.findings = {finding["id"]: finding for finding in self.report["findings"]}

    def severity(self, found: str) -> str | None:
        return self.findings[found]["severity"] if found in self.findings else None


def check(*flags: str, environment: Mapping[str, str] | None = None) -> Checked:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LEADER_SIDECAR_", "POD_", "KUBERNETES_"))}
    ports = free_ports(2)
    command = [
        sys.executable,
        "-m",
        "sidecar",
        "check",
        "--output=json",
        "--election=e",
        f"--listen=127.0.0.1:{ports[0]}",
        f"--probe-listen=127.0.0.1:{ports[1]}",
        *flags,
    ]
    environment = clean | dict(environment or {})
    return Checked(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False))


@pytest.fixture
def recent(clusters: Clusters) -> Cluster:
    return clusters.get("etcd 3.6")


class Pod:
    """A pod with a service account of its own, and what its sidecar is told."""

    def __init__(self, plane: ControlPlane, folder: Path, *, role: str | None = "leader-sidecar:candidate") -> None:
        self.plane, self.folder = plane, folder
        self.namespace, self.account = plane.create_namespace(f"check-{next(_NUMBERS)}"), "default"
        if role is not None:
            self.bind(role)
        self.uid = self.create()

    def bind(self, role: str) -> None:
        subject = {"kind": "ServiceAccount", "name": self.account, "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/rolebindings"
        name = role.replace(":", ".")
        self.plane.must("POST", path, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})

    def create(self, **options: Any) -> str:
        return str(self.plane.create_pod(self.namespace, "a", **options)["metadata"]["uid"])

    def recreate(self, **options: Any) -> None:
        self.plane.delete_pod(self.namespace, "a")
        self.uid = self.create(**options)

    def check(self, etcd: Cluster, *flags: str, token: str | None = None, uid: str | None = None) -> Checked:
        token = token or self.plane.pod_token(self.namespace, self.account, "a", self.uid)
        kubeconfig = self.plane.write_kubeconfig(self.folder / "kubeconfig", token)
        told = {"POD_NAME": "a", "POD_NAMESPACE": self.namespace, "POD_UID": uid or self.uid}
        endpoints = f"--etcd-endpoints={','.join(etcd.endpoints)}"
        return check(endpoints, f"--kubeconfig={kubeconfig}", *flags, environment=told)


@pytest.fixture
def plane(real_control_plane: ControlPlane) -> ControlPlane:
    apply_policy(real_control_plane, labels=["role=primary/replica"])
    return real_control_plane


def role(plane: ControlPlane, *rules: Mapping[str, Any]) -> str:
    name = f"check-role-{next(_NUMBERS)}"
    body = {"metadata": {"name": name}, "rules": list(rules)}
    plane.must("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", body)
    return name


PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch"]}
EVENTS = {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}
MARK = {"apiGroups": ["leader-sidecar"], "resources": ["candidates"], "verbs": ["be"]}


@pytest.mark.tools
class TestKubernetes:
    def test_a_pod_as_it_should_be_has_no_findings(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path).check(recent, "--label=role=primary/replica")
        # the machine under the tests is what it is
        kube_or_etcd = [
            finding for finding in checked.report["findings"] if finding["id"] not in ("clock-source", "cpu-limit")
        ]
        assert not kube_or_etcd
        assert checked.exit_code == 0
        assert "Kubernetes" in checked.report["checked"]

    def test_it_changes_nothing(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        pod = Pod(plane, tmp_path)
        before, keys = plane.pod(pod.namespace, "a"), recent.ctl("get", "", "--prefix")
        leases = set(recent.ctl("lease", "list").split()[3:])
        pod.check(recent)
        assert plane.pod(pod.namespace, "a") == before
        assert recent.ctl("get", "", "--prefix") == keys
        assert set(recent.ctl("lease", "list").split()[3:]) <= leases

    def test_an_unbound_token_is_named(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        pod = Pod(plane, tmp_path)
        checked = pod.check(recent, token=plane.unbound_token(pod.namespace, "default"))
        assert checked.severity("token-unbound") == "error"
        assert checked.exit_code == 78

    def test_another_pods_uid_is_named(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path).check(recent, uid=_PLACEHOLDER_UID)
        assert checked.severity("token-of-another") == "error"

    def test_missing_rights_are_named_one_by_one(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path, role=role(plane, {**PODS, "verbs": ["get", "list"]}, MARK)).check(recent)
        assert checked.severity("rights-missing") == "error"
        assert "patch pods, create events" in checked.findings["rights-missing"]["what"]

    def test_no_rights_at_all_are_no_crash(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path, role=None).check(recent)
        assert checked.severity("rights-missing") == "error"
        assert checked.severity("mark-missing") == "warning"

    def test_events_are_worth_a_warning_only(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path, role=role(plane, PODS, MARK)).check(recent)
        assert checked.severity("rights-missing") == "warning"
        assert checked.exit_code == 0

    def test_an_account_that_no_policy_restricts_is_named(
        self, plane: ControlPlane, recent: Cluster, tmp_path: Path
    ) -> None:
        checked = Pod(plane, tmp_path, role=role(plane, PODS, EVENTS)).check(recent)
        assert checked.severity("mark-missing") == "warning"
        assert checked.severity("policy-missing") == "warning"

    def test_a_right_to_update_pods_is_too_much(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        wide = {**PODS, "verbs": ["get", "list", "patch", "update"]}
        checked = Pod(plane, tmp_path, role=role(plane, wide, EVENTS, MARK)).check(recent)
        assert checked.severity("rights-wide") == "warning"
        assert checked.severity("policy-missing") == "warning"

    @pytest.mark.parametrize("flag", ["--label-prefix=example.com", "--label=kind=big/small"])
    def test_a_label_that_the_policy_does_not_know_is_named(
        self, plane: ControlPlane, recent: Cluster, tmp_path: Path, flag: str
    ) -> None:
        checked = Pod(plane, tmp_path).check(recent, flag)
        assert checked.severity("policy-refuses") == "error"

    def test_a_token_that_is_none_is_named(self, plane: ControlPlane, recent: Cluster, tmp_path: Path) -> None:
        checked = Pod(plane, tmp_path).check(recent, token="none")  # noqa: S106 (none)
        assert checked.severity("kube-unreachable") == "error"

    def test_the_label_in_an_owners_selector_is_found_where_the_owner_may_be_read(
        self, plane: ControlPlane, recent: Cluster, tmp_path: Path
    ) -> None:
        pod = Pod(plane, tmp_path)
        pod.bind(role(plane, {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get"]}))
        labels = {"app": "a", "leader-sidecar/e": "follower"}
        body = {
            "metadata": {"name": "set"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "workload.invalid/workload:1"}]},
                },
            },
        }
        path = f"/apis/apps/v1/namespaces/{pod.namespace}/replicasets"
        uid = plane.must("POST", path, body)["metadata"]["uid"]
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "set", "uid": uid, "controller": True}
        pod_path = f"/api/v1/namespaces/{pod.namespace}/pods/a"
        merge = "application/merge-patch+json"
        plane.must("PATCH", pod_path, {"metadata": {"ownerReferences": [owner]}}, content_type=merge)
        checked = pod.check(recent)
        assert checked.severity("owner-selector") == "error"

    def test_what_the_running_pods_own_spec_shows_is_found(
        self, plane: ControlPlane, recent: Cluster, tmp_path: Path
    ) -> None:
        pod = Pod(plane, tmp_path)
        workload = {"name": "workload", "image": "workload.invalid/workload:1", "ports": [{"containerPort": 4041}]}
        sidecar = {"name": "leader-sidecar", "image": "leader-sidecar:1", "args": ["run", "--election=e"]}
        gates = [{"conditionType": "leader-sidecar/e"}]
        pod.recreate(spec={"containers": [workload, sidecar], "readinessGates": gates})
        checked = pod.check(recent)
        assert checked.severity("port-clash") == "error"
        assert checked.severity("readiness-never-complete") == "warning"

    def test_candidates_that_are_no_pods_of_the_namespace_are_named(
        self, plane: ControlPlane, recent: Cluster, tmp_path: Path
    ) -> None:
        pod = Pod(plane, tmp_path)
        stranger = SidecarProcess(
            "stranger",
            etcd_endpoints=",".join(recent.endpoints),
            lock_name=f"/leader-sidecar/{pod.namespace}/e",
            folder=tmp_path,
        )
        with stranger:
            stranger.wait_until_leading()
            checked = pod.check(recent)
        assert checked.severity("strangers") == "warning"
        assert "stranger" in checked.findings["strangers"]["what"]


def test_an_api_server_that_is_not_there_is_named(clusters: Clusters, tmp_path: Path) -> None:
    [port] = free_ports(1)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "t",
                "clusters": [{"name": "t", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "t", "user": {"token": "t"}}],
                "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
            }
        )
    )
    told = {"POD_NAME": "a", "POD_NAMESPACE": "n", "POD_UID": "u"}
    endpoints = ",".join(clusters.get(DISTRO).endpoints)
    checked = check(f"--etcd-endpoints={endpoints}", f"--kubeconfig={kubeconfig}", environment=told)
    assert checked.severity("kube-unreachable") == "error"


class TestEtcd:
    def test_an_old_etcd_is_named(self, clusters: Clusters) -> None:
        checked = check(f"--etcd-endpoints={','.join(clusters.get(DISTRO).endpoints)}")
        assert checked.severity("etcd-outdated") == "error"
        assert "3.5.1" in checked.findings["etcd-outdated"]["what"]
        assert checked.exit_code == 78

    @pytest.mark.tools
    @pytest.mark.parametrize("version", ["etcd 3.6", "etcd 3.7"])
    def test_a_recent_etcd_is_right(self, clusters: Clusters, version: str) -> None:
        checked = check(f"--etcd-endpoints={','.join(clusters.get(version).endpoints)}")
        assert not [found for found in checked.findings if found.startswith("etcd")]
        assert checked.exit_code == 0

    def test_no_etcd_is_an_error_and_one_that_is_missing_a_warning(self, clusters: Clusters) -> None:
        [nobody] = [f"http://127.0.0.1:{port}" for port in free_ports(1)]
        checked = check(f"--etcd-endpoints={nobody}")
        assert checked.severity("etcd-unreachable") == "error"
        one_of_two = check(f"--etcd-endpoints={nobody},{clusters.get(DISTRO).only.url}")
        assert one_of_two.severity("etcd-member-away") == "warning"
        assert one_of_two.severity("etcd-unreachable") is None

    def test_a_frozen_member_is_away(self, tmp_path: Path) -> None:
        with running(Cluster(tmp_path / "etcd")) as cluster:
            cluster.freeze()
            checked = check(f"--etcd-endpoints={cluster.only.url}")
            cluster.thaw()
        assert checked.severity("etcd-member-away") == "warning"
        assert checked.severity("etcd-unreachable") == "error"

    def test_endpoints_of_two_clusters_are_an_error(self, clusters: Clusters, tmp_path: Path) -> None:
        with running(Cluster(tmp_path / "other")) as other:
            checked = check(f"--etcd-endpoints={other.only.url},{clusters.get(DISTRO).only.url}")
        assert checked.severity("etcd-clusters") == "error"

    def test_a_short_ttl_that_etcd_raises_is_named(self, clusters: Clusters) -> None:
        checked = check("--ttl=2", f"--etcd-endpoints={clusters.get(DISTRO).only.url}")
        assert checked.severity("ttl-short") == "warning"

    def test_a_wrong_password_and_missing_rights_are_told_apart(self, tmp_path: Path) -> None:
        with running(Cluster(tmp_path / "etcd")) as cluster:
            cluster.enable_auth(Account("user", "secret"), prefix="/leader-sidecar/")
            told = ["--etcd-user=user", f"--etcd-endpoints={cluster.only.url}"]
            wrong = check(*told, environment={"LEADER_SIDECAR_ETCD_PASSWORD": "wrong"})
            right = check(*told, environment={"LEADER_SIDECAR_ETCD_PASSWORD": "secret"})
            elsewhere = check(*told, "--lock-name=/else", environment={"LEADER_SIDECAR_ETCD_PASSWORD": "secret"})
        assert wrong.severity("etcd-user") == "error"
        assert wrong.severity("etcd-rights") is None
        assert right.severity("etcd-user") is None
        assert right.severity("etcd-rights") == "warning"  # only of the sidecars' other keys
        assert right.severity("password-in-clear") == "warning"
        assert [f["severity"] for f in elsewhere.report["findings"] if f["id"] == "etcd-rights"] == ["error", "warning"]

    def test_a_certificate_that_cannot_be_read_is_a_finding(self, clusters: Clusters) -> None:
        checked = check("--etcd-cacert=/nowhere", "--etcd-endpoints=https://127.0.0.1:1")
        assert checked.severity("setting") == "error"
        assert checked.exit_code == 78


class _Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"somebody else")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def other_server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class TestPorts:
    def test_a_port_that_another_program_has_is_an_error(self, clusters: Clusters, other_server: int) -> None:
        endpoints = f"--etcd-endpoints={clusters.get(DISTRO).only.url}"
        checked = check(endpoints, f"--listen=127.0.0.1:{other_server}")
        assert checked.severity("port-in-use") == "error"

    def test_the_running_sidecars_own_ports_are_not(self, clusters: Clusters, tmp_path: Path) -> None:
        endpoints = clusters.get(DISTRO).only.url
        with SidecarProcess("a", etcd_endpoints=endpoints, lock_name="/ports", folder=tmp_path) as sidecar:
            sidecar.wait_until_leading()
            checked = check(
                f"--etcd-endpoints={endpoints}",
                "--lock-name=/ports",
                f"--listen=127.0.0.1:{sidecar.port}",
                f"--probe-listen=127.0.0.1:{sidecar.probe_port}",
            )
            assert sidecar.leads()
        assert checked.severity("port-in-use") is None


def test_missing_settings_are_a_matter_of_usage(clusters: Clusters) -> None:
    command = [sys.executable, "-m", "sidecar", "check", "--election=e"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64
    assert "--etcd-endpoints" in done.stderr
