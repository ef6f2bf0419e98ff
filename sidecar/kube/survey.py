"""Asks the Kubernetes API, for ``leader-sidecar check``, what this token may do. Changes nothing: writes are dry runs.

Blocking: the command has nothing else to do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sidecar.election.route_scheme import SERVICE_LABEL
from sidecar.kube.access import Access
from sidecar.kube.client import CALL_SECONDS

HIGH_TOKEN = "9" * 18
"""No token is higher: the policy asks that tokens do not go down, and the dry run must not fail on that."""

_PROBE_ANNOTATION = "leader-sidecar.check/probe"
_EXTRA = "authentication.kubernetes.io/"

RIGHTS = (("", "pods", "get"), ("", "pods", "list"), ("", "pods", "patch"), ("", "events", "create"))
"""What the label needs: API group, resource, verb."""
ROUTE_RIGHTS = (
    ("", "pods", "get"),
    ("", "services", "get"),
    *(("discovery.k8s.io", "endpointslices", verb) for verb in ("get", "list", "create", "update")),
    ("", "events", "create"),
)
"""What a route needs."""
ROLLOUT_RIGHTS = tuple(("apps", resource, "get") for resource in ("replicasets", "deployments", "statefulsets"))
"""What following a rollout needs besides."""
WIDE = (("", "pods", "update"),)
MARK = (("leader-sidecar", "candidates", "be"),)

Right = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: ``causes`` are the messages of its causes. Status 0: no answer at all, ``message`` says why."""

    status: int
    message: str = ""
    causes: tuple[str, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the API server takes us for; the pod is the one that the token is bound to. None: not to be known."""

    user: str
    pod_name: str | None
    pod_uid: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """``allowed``: what the API server says of each right, None where it does not say.

    ``must_deny``: a write to the own pod that the policy refuses. ``writes``: those the sidecar makes, by role.
    ``service`` and ``slices``: what was said of the Service to be routed, and of the slices that bear its name.
    ``owner_selectors``: the selectors of the pod's owners that could be read. ``pods``: names, None where unknown.
    """

    reached: Said
    identity: Identity | None = None
    allowed: Mapping[Right, bool | None] = field(default_factory=dict)
    pod: Mapping[str, Any] | None = None
    must_deny: Said | None = None
    writes: Mapping[str, Said] = field(default_factory=dict)
    owner_selectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pods: frozenset[str] | None = None
    service: Said | None = None
    slices: Said | None = None


def survey(
    access: Access, namespace: str, pod_name: str, labels: Mapping[str, Mapping[str, str]], route: str | None = None
) -> Survey:
    """``labels``: what the sidecar would write on its pod, by role. ``route``: the Service it would route."""
    api = _Api(access, namespace)
    try:
        reached = api.ask(
            "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", _object("SelfSubjectReview", "authentication")
        )
        if reached.status in (0, 401):
            return Survey(reached)
        allowed = {
            right: api.may(right)
            for right in {*RIGHTS, *ROLLOUT_RIGHTS, *(ROUTE_RIGHTS if route else ()), *WIDE, *MARK}
        }
        service, slices = (api.service(route), api.slices(route)) if route else (None, None)
        pod = api.ask("GET", api.pod(pod_name))
        if pod.status != 200:
            return Survey(reached, _identity(reached), allowed, service=service, slices=slices)
        return Survey(
            reached,
            _identity(reached),
            allowed,
            pod.body,
            must_deny=api.try_patch(pod_name, {"annotations": {_PROBE_ANNOTATION: "dry-run"}}),
            writes={role: api.try_patch(pod_name, _write(keys)) for role, keys in labels.items()},
            owner_selectors=api.owner_selectors(pod.body),
            pods=api.names(),
            service=service,
            slices=slices,
        )
    finally:
        api.close()


class _Api:
    def __init__(self, access: Access, namespace: str) -> None:
        from kubernetes.client.api_client import ApiClient

        self._access = access
        self._client: Any = ApiClient(access.configuration)
        self._namespace, self._space = namespace, _quoted(namespace)

    def close(self) -> None:
        self._client.close()

    def pod(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._space}/pods/{_quoted(name)}"

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = "application/json"
    ) -> Said:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "leader-sidecar-check"}
        try:
            answer = self._client.call_api(
                method,
                f"{self._access.configuration.host}{path}",
                header_params={**headers, **self._access.headers()},
                body=body,
                _request_timeout=CALL_SECONDS,
            )
            content = json.loads(answer.read())
        except Exception as error:  # urllib3's, OpenSSL's, the operating system's, and what is no JSON
            while error.__cause__ is not None and isinstance(error.__cause__, Exception):
                error = error.__cause__
            return Said(0, f"{type(error).__name__}: {error}")
        causes = (content.get("details") or {}).get("causes") or ()
        message = str(content.get("message") or "") if answer.status >= 300 else ""
        return Said(answer.status, message, tuple(str(cause.get("message", "")) for cause in causes), content)

    def may(self, right: Right) -> bool | None:
        group, resource, verb = right
        asked = {"namespace": self._namespace, "group": group, "resource": resource, "verb": verb}
        review = _object("SelfSubjectAccessReview", "authorization") | {"spec": {"resourceAttributes": asked}}
        said = self.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(said.body["status"]["allowed"]) if said.status in (200, 201) else None

    def try_patch(self, pod_name: str, metadata: Mapping[str, Any]) -> Said:
        path = f"{self.pod(pod_name)}?dryRun=All"
        return self.ask("PATCH", path, {"metadata": metadata}, content_type="application/merge-patch+json")

    def service(self, name: str) -> Said:
        return self.ask("GET", f"/api/v1/namespaces/{self._space}/services/{_quoted(name)}")

    def slices(self, service: str) -> Said:
        label = _quoted(f"{SERVICE_LABEL}={service}")
        return self.ask(
            "GET", f"/apis/discovery.k8s.io/v1/namespaces/{self._space}/endpointslices?labelSelector={label}"
        )

    def owner_selectors(self, pod: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for owner in pod["metadata"].get("ownerReferences") or ():
            plural = f"{owner['kind'].lower()}s"  # of every kind in group apps and batch
            path = f"/apis/{owner['apiVersion']}/namespaces/{self._space}/{plural}/{_quoted(owner['name'])}"
            said = self.ask("GET", path)
            if said.status == 200:
                found[f"{owner['kind']} {owner['name']}"] = (said.body.get("spec") or {}).get("selector") or {}
        return found

    def names(self) -> frozenset[str] | None:
        said = self.ask("GET", f"/api/v1/namespaces/{self._space}/pods?resourceVersion=0")
        if said.status != 200:
            return None
        return frozenset(str(pod["metadata"]["name"]) for pod in said.body.get("items") or ())


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _write(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"labels": labels, "annotations": {f"{key}.token": HIGH_TOKEN for key in labels}}


def _object(kind: str, group: str) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": f"{group}.k8s.io/v1"}


def _identity(reached: Said) -> Identity | None:
    user = (reached.body.get("status") or {}).get("userInfo")
    if reached.status not in (200, 201) or not user:
        return None
    extra = user.get("extra") or {}
    name, uid = (next(iter(extra.get(_EXTRA + key) or ()), None) for key in ("pod-name", "pod-uid"))
    return Identity(str(user.get("username", "")), name, uid)
