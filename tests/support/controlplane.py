"""A real Kubernetes API on loopback: etcd and kube-apiserver as processes, built by ``make tools``.

No controllers and no kubelet: nothing makes a namespace's ``default`` service account (``create_namespace`` does),
nothing collects garbage, and nobody touches the status of a pod. A deleted pod stays Terminating until it is deleted
with grace period 0, as ``delete_pod`` can.
"""

import json
import secrets
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.children import Child, Deadline, free_ports
from tests.support.tools import etcd_binary, kube_apiserver_binary

NODE = "manual"
"""The one Node, unschedulable: pods are put on it by name."""

_READY_SECONDS = 120
_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]


class RequestRefused(Exception):
    """The API answered something else than 2xx to a request that had to succeed."""


class ControlPlane:
    """A running API server. ``apiserver`` can be frozen, thawed, killed and started again; its state is etcd's."""

    def __init__(self, url: str, folder: Path, etcd_url: str, etcd: Child, apiserver: Child, admin_token: str) -> None:
        self.url, self.etcd_url = url, etcd_url
        self.etcd, self.apiserver, self.admin_token = etcd, apiserver, admin_token
        self.ca_file = folder / "pki" / "apiserver.crt"
        self.admin_kubeconfig = folder / "kubeconfig"
        self._client: httpx.Client | None = None

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        token: str | None = None,
    ) -> Answer:
        """One request, as the administrator unless a token is given. ``path`` as ``/api/v1/...``, query included."""
        if self._client is None:
            trust = ssl.create_default_context(cafile=self.ca_file)
            self._client = httpx.Client(base_url=self.url, verify=trust, timeout=30, trust_env=False)
        answer = self._client.request(
            method,
            path,
            content=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {token or self.admin_token}", "Content-Type": content_type},
        )
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return Answer(answer.status_code, answer.json() if is_json else {"text": answer.text})

    def must(self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """As ``request``, but gives the body of a 2xx and raises ``RequestRefused`` otherwise."""
        answer = self.request(method, path, body, **options)
        if answer.status // 100 != 2:
            raise RequestRefused(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def create_namespace(self, name: str) -> str:
        """A namespace with its ``default`` service account, which no controller may be there to make."""
        self.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        answer = self.request("POST", accounts, {"metadata": {"name": "default"}})
        if answer.status not in {201, 409}:  # 409: the controller was first
            raise RequestRefused(f"POST {accounts}: {answer.status} {answer.body}")
        return name

    def create_service_account(self, namespace: str, name: str) -> None:
        self.must("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def create_pod(
        self,
        namespace: str,
        name: str,
        *,
        service_account: str = "default",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A pod on the node ``manual``; ``spec`` is merged over the minimal one. Answers the pod, uid and all."""
        minimal = {
            "nodeName": NODE,
            "serviceAccountName": service_account,
            "containers": [{"name": "workload", "image": "workload.invalid/workload:1"}],
        }
        metadata = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
        body = {"metadata": metadata, "spec": {**minimal, **(spec or {})}}
        return self.must("POST", f"/api/v1/namespaces/{namespace}/pods", body)

    def pod(self, namespace: str, name: str) -> dict[str, Any]:
        return self.must("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def set_pod_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> dict[str, Any]:
        """Play the kubelet: merge into the pod's status."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        return self.must("PATCH", path, {"status": status}, content_type="application/merge-patch+json")

    def delete_pod(self, namespace: str, name: str, *, grace_seconds: int = 0) -> None:
        """Grace 0 removes it at once; any other leaves it Terminating until it is deleted with 0."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds={grace_seconds}"
        self.must("DELETE", path)

    def pod_token(self, namespace: str, service_account: str, pod_name: str, pod_uid: str) -> str:
        """A service account token bound to that pod, as kubelet would project it into the pod."""
        reference = {"kind": "Pod", "apiVersion": "v1", "name": pod_name, "uid": pod_uid}
        return self._token(namespace, service_account, {"boundObjectRef": reference})

    def unbound_token(self, namespace: str, service_account: str) -> str:
        return self._token(namespace, service_account, {})

    def _token(self, namespace: str, service_account: str, spec: Mapping[str, Any]) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        answer = self.must("POST", path, {"spec": {"expirationSeconds": 3600, **spec}})
        return str(answer["status"]["token"])

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        """A kubeconfig for that token, which reads the authority from its file."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        path.touch(mode=0o600)
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "test", "user": {"token": token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        return path

    def wait_ready(self) -> None:
        """Return once the API server answers as ready. Raises ``RuntimeError`` when a process ends first."""
        deadline, last = Deadline(_READY_SECONDS, poll_seconds=0.05), "no answer"
        while deadline.goes_on():
            dead = [child for child in (self.etcd, self.apiserver) if not child.alive]
            if dead:
                raise RuntimeError(f"{dead[0].name} ended: {dead[0].output()[-2000:]}")
            try:
                answer = self.request("GET", "/readyz")
            except (OSError, httpx.TransportError) as error:  # refused, or no certificate written yet
                last = repr(error)
                continue
            if answer.status == 200:
                return
            last = f"{answer.status} {answer.body}"
        raise RuntimeError(f"kube-apiserver is not ready after {_READY_SECONDS} s: {last}")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


@contextmanager
def control_plane(*, apiserver_flags: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """A new, empty control plane with the Node ``manual`` and the namespace ``default``'s service account.

    ``apiserver_flags`` as ``--emulated-version=1.33``, to answer like an older one. With controllers:
    ``tests.support.cluster``.

    Raises ``ToolMissing`` when its programs are not built.
    """
    etcd_program, apiserver_program = etcd_binary("3.6"), kube_apiserver_binary()
    with tempfile.TemporaryDirectory(prefix="controlplane-") as name:
        folder = Path(name)
        port, etcd_port, peer_port = free_ports(3)
        token = secrets.token_urlsafe(24)
        etcd = Child("etcd", _etcd_command(etcd_program, folder, etcd_port, peer_port), folder / "etcd.log")
        command = [*_apiserver_command(apiserver_program, folder, port, etcd_port, token), *apiserver_flags]
        apiserver = Child("kube-apiserver", command, folder / "kube-apiserver.log")
        running = ControlPlane(
            f"https://127.0.0.1:{port}", folder, f"http://127.0.0.1:{etcd_port}", etcd, apiserver, token
        )
        with etcd, apiserver:
            try:
                running.wait_ready()
                running.write_kubeconfig(running.admin_kubeconfig, token)
                running.must("POST", "/api/v1/nodes", {"metadata": {"name": NODE}, "spec": {"unschedulable": True}})
                running.create_service_account("default", "default")
                yield running
            finally:
                running.close()


def _etcd_command(program: Path, folder: Path, port: int, peer_port: int) -> list[str | Path]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        program,
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _apiserver_command(program: Path, folder: Path, port: int, etcd_port: int, token: str) -> list[str | Path]:
    """``--cert-dir`` makes it write a serving certificate of its own, which is also the authority to trust."""
    accounts, tokens = folder / "accounts.key", folder / "tokens.csv"
    for secret in (accounts, tokens):
        secret.touch(mode=0o600)
    accounts.write_bytes(_new_private_key())
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    return [
        program,
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--storage-media-type=application/json",  # tests read it there
        f"--cert-dir={folder / 'pki'}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        f"--token-auth-file={tokens}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        "--enable-admission-plugins=ValidatingAdmissionPolicy",
        # without a node controller, nobody would ever take the not-ready taint off
        "--disable-admission-plugins=TaintNodesByCondition",
    ]


def _new_private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
