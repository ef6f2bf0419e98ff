"""Pods of one election and their sidecars, each with a token of its pod and a way of its own to the API server."""

import itertools
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.cluster.proxy import Proxy
from tests.cluster.watch import PodWatch
from tests.support.children import Deadline
from tests.support.controlplane import ControlPlane
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess, Unreachable
from tests.support.witness import Witness

ELECTION = "e"
KEY = f"leader-sidecar/{ELECTION}"
_ROLE = "leader-sidecar:candidate"
_ROUTE_ROLE = "leader-sidecar:route"
_NUMBERS = itertools.count()
_PATIENCE_SECONDS = 60.0


class Candidate:
    """A pod and its sidecar's process. ``uid`` is that of the pod the sidecar acts for."""

    def __init__(self, group: "PodGroup", name: str, proxy: Proxy) -> None:
        self._group, self.name, self.proxy = group, name, proxy
        self.uid = ""
        self.sidecar = self._sidecar()

    def create(self) -> None:
        """A new pod of this name, and a sidecar for it that is not started yet."""
        plane, namespace = self._group.plane, self._group.namespace
        self.uid = str(plane.create_pod(namespace, self.name)["metadata"]["uid"])
        self._group.give_address(self.name)
        token = plane.pod_token(namespace, "default", self.name, self.uid)
        self._write_kubeconfig(token)
        self.sidecar = self._sidecar()

    @property
    def role(self) -> str | None:
        """What its pod's label says, as last seen by the watch."""
        pod = self._group.watch.pods().get(self.name)
        return pod.role if pod is not None and pod.uid == self.uid else None

    def _sidecar(self) -> SidecarProcess:
        group = self._group
        return SidecarProcess(
            self.name,
            etcd_endpoints=",".join(group.etcd.endpoints),
            lock_name=f"/{group.namespace}",
            folder=group.folder,
            election=ELECTION,
            ttl_seconds=group.ttl_seconds,
            flags=["--labels", f"--kubeconfig={self._kubeconfig}", *group.flags],
            environment={"POD_NAME": self.name, "POD_NAMESPACE": group.namespace, "POD_UID": self.uid},
        )

    @property
    def _kubeconfig(self) -> Path:
        return self._group.folder / f"{self.name}-{self.uid}.kubeconfig"

    def _write_kubeconfig(self, token: str) -> None:
        server = {
            "server": f"https://127.0.0.1:{self.proxy.port}",
            "certificate-authority": str(self._group.plane.ca_file),
        }
        self._kubeconfig.touch(mode=0o600)
        content = {
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        self._kubeconfig.write_text(json.dumps(content))


class PodGroup:
    """Used as a context manager: one leads, and its label says so. ``check`` judges promises 1 and 3."""

    def __init__(
        self,
        plane: ControlPlane,
        etcd: Cluster,
        folder: Path,
        *,
        names: Sequence[str] = ("a", "b", "c"),
        ttl_seconds: int = 2,
        flags: Sequence[str] = (),
        route: str | None = None,
    ) -> None:
        """``route``: a Service that the sidecars route, beside the label."""
        self.plane, self.etcd, self.folder, self.ttl_seconds = plane, etcd, folder, ttl_seconds
        self.flags = [*flags, *([f"--route={route}"] if route else [])]
        self.route = route
        self.namespace = f"routing-{next(_NUMBERS)}"
        self._names = names
        self.candidates: list[Candidate] = []
        self.watch = PodWatch(plane, self.namespace, KEY)
        self.witness = Witness()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.plane.create_namespace(self.namespace)
        self._give_rights(_ROLE)
        if self.route:
            self._give_rights(_ROUTE_ROLE)
            service = {"metadata": {"name": self.route}, "spec": {"ports": [{"port": 80}]}}
            self.plane.must("POST", f"/api/v1/namespaces/{self.namespace}/services", service)
        with ExitStack() as starting:
            starting.enter_context(self.watch)
            for name in self._names:
                proxy = starting.enter_context(Proxy(int(urlsplit(self.plane.url).port or 0)))
                self.candidates.append(Candidate(self, name, proxy))
            for candidate in self.candidates:
                candidate.create()
                starting.callback(self._end, candidate)
                candidate.sidecar.start()
            starting.callback(self._thaw)
            starting.callback(self.witness.stop)
            for candidate in self.candidates:
                self.witness.attend(candidate.sidecar)
            self.settle()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.__exit__(*exception)  # type: ignore[arg-type]

    def restore(self) -> None:
        """After whatever a test did: every sidecar runs and reaches its API server, and the group is in order."""
        self._thaw()
        for candidate in self.candidates:
            if not candidate.sidecar.alive:
                candidate.sidecar.start()
        self.settle()

    def check(self) -> None:
        """Judge what was seen, and begin anew. Raises ``AssertionError``."""
        try:
            self.watch.check()
            self.witness.check()
        finally:
            self.watch.forget()
            self.witness.forget()

    def settle(self, *, without: Sequence[Candidate] = ()) -> Candidate:
        """Wait until one leads and its pod alone says so, the others wait and their pods say follower; the leader.

        The sidecars of ``without`` are not asked; their pods are looked at all the same.
        """
        asked = [candidate for candidate in self.candidates if candidate not in without]
        deadline = Deadline(_PATIENCE_SECONDS)
        while deadline.goes_on():
            states = {candidate: _state(candidate) for candidate in asked}
            leading = [candidate for candidate in asked if states[candidate] == "leading"]
            in_order = sorted(states.values()) == ["leading"] + ["waiting"] * (len(asked) - 1)
            if in_order and self.watch.leaders() == [leading[0].name] and self._others_follow(leading[0]):
                return leading[0]
        pods = "\n".join(map(str, self.watch.pods().values()))
        raise AssertionError(f"no order comes:\n{pods}\n{self.logs()}")

    def play_kubelet(self) -> None:
        """Every pod runs, is ready and has an address, as a Service asks."""
        for number, candidate in enumerate(self.candidates):
            ready = {"type": "Ready", "status": "True"}
            address = f"10.99.0.{number + 1}"
            status = {"phase": "Running", "conditions": [ready], "podIP": address, "podIPs": [{"ip": address}]}
            self.plane.set_pod_status(self.namespace, candidate.name, status)

    def give_address(self, name: str) -> None:
        """As kubelet does, where the sidecars keep a route; the label needs none."""
        if self.route:
            address = f"10.98.0.{next(_NUMBERS) % 250 + 1}"
            self.plane.set_pod_status(self.namespace, name, {"podIP": address, "podIPs": [{"ip": address}]})

    def create_service(self, name: str, role: str) -> None:
        """Leads to the pods whose label says ``role``."""
        spec = {"selector": {KEY: role}, "ports": [{"port": 80}]}
        self.plane.must(
            "POST", f"/api/v1/namespaces/{self.namespace}/services", {"metadata": {"name": name}, "spec": spec}
        )

    def wait_until_one_leads(self, *, other_than: Candidate) -> Candidate:
        """By its sidecar's word, whatever the labels say."""
        deadline = Deadline(_PATIENCE_SECONDS)
        while deadline.goes_on():
            for candidate in self.others(other_than):
                if candidate.sidecar.leads():
                    return candidate
        raise AssertionError(f"nobody took over from {other_than.name}:\n{self.logs()}")

    def wait_for_role(self, candidate: Candidate, role: str | None) -> None:
        self.watch.wait_for(f"{candidate.name} says {role}", lambda: candidate.role == role, self.logs)

    def others(self, candidate: Candidate) -> list[Candidate]:
        return [other for other in self.candidates if other is not candidate]

    def let_lead(self, wanted: Candidate) -> None:
        while (leader := self.settle()) is not wanted:
            self.resign(leader)

    def resign(self, leader: Candidate) -> None:
        """With a drain: the label goes off before the lock goes."""
        with suppress(Unreachable):
            leader.sidecar.resign(drain=True)

    def logs(self) -> str:
        shown = [f"--- {candidate.name}\n{candidate.sidecar.output()[-5000:]}" for candidate in self.candidates]
        return "\n".join(shown)

    def _others_follow(self, leader: Candidate) -> bool:
        return all(candidate.role == "follower" for candidate in self.others(leader))

    def _end(self, candidate: Candidate) -> None:
        candidate.sidecar.kill()

    def _thaw(self) -> None:
        """A frozen one would keep the witness waiting."""
        for candidate in self.candidates:
            candidate.proxy.resume()
            if candidate.sidecar.alive:
                candidate.sidecar.thaw()

    def _give_rights(self, role_name: str) -> None:
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name}
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/rolebindings"
        self.plane.must("POST", path, {"metadata": {"generateName": "b-"}, "roleRef": role, "subjects": [subject]})


def _state(candidate: Candidate) -> str:
    try:
        return str(candidate.sidecar.leader()[1]["state"])
    except Unreachable:
        return "unreachable"
