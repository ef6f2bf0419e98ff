"""Reads which revision the pods' owner wants, and how a candidate's pod stands. Always consistently: an owner read from
a cache could send the lead back and forth."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from sidecar.election.rollout import PodFacts, wanted_hash, wanted_update
from sidecar.errors import KubeUnavailable, PodGone
from sidecar.kube.client import KubePods

_T = TypeVar("_T")

_NUMBER = "deployment.kubernetes.io/revision"
_HASHES = {"ReplicaSet": "pod-template-hash", "StatefulSet": "controller-revision-hash"}
_GATE = "leader-sidecar/"


@dataclass(frozen=True, slots=True)
class Owned:
    """A pod's revision and what made it; ``kind`` is ReplicaSet or StatefulSet. All empty for other pods."""

    revision: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class Revisions(Protocol):
    """Every method raises the ``KubeError`` tree; ``PodGone`` stands for any object that is not there."""

    async def owned(self, pod: str) -> Owned:
        """Of which revision a pod is, and whose."""

    async def wanted(self, owned: Owned, pod: str, known: Iterable[str]) -> str | None:
        """The revision that the owner wants of this pod, out of its own and those ``known``; None when unknown."""

    async def facts(self, pod: str) -> PodFacts: ...

    async def cordoned(self, node: str) -> bool:
        """Whether a node takes no new pods."""


class KubeRevisions:
    """``Revisions`` on a real API server."""

    def __init__(self, pods: KubePods, namespace: str) -> None:
        self._ask, self._space = pods.ask, quote(namespace, safe="")

    async def owned(self, pod: str) -> Owned:
        return _understood(read_owned, await self._get(f"/api/v1/namespaces/{self._space}/pods", pod))

    async def wanted(self, owned: Owned, pod: str, known: Iterable[str]) -> str | None:
        match owned.kind:
            case "ReplicaSet":
                return await self._of_deployment(owned, {owned.revision, *known})
            case "StatefulSet":
                found = await self._app("statefulsets", owned.name)
                if _understood(_uid, found) != owned.uid:
                    return None
                return wanted_update(*_understood(_update, found), pod)
        return None

    async def facts(self, pod: str) -> PodFacts:
        return _understood(read_facts, await self._get(f"/api/v1/namespaces/{self._space}/pods", pod))

    async def cordoned(self, node: str) -> bool:
        answer = await self._get("/api/v1/nodes", node)
        return bool((answer.get("spec") or {}).get("unschedulable"))

    async def _of_deployment(self, owned: Owned, known: set[str]) -> str | None:
        mine = await self._app("replicasets", owned.name)
        owner = _understood(_owner, mine)
        if owner.get("kind") != "Deployment":
            return None
        # both before they are compared: the numbers of one moment
        numbers = {hash_: await self._number(f"{owner['name']}-{hash_}", owner) for hash_ in sorted(known)}
        deployment = await self._app("deployments", owner["name"])
        if _understood(_uid, deployment) != owner["uid"]:
            return None
        return wanted_hash(_understood(_revision, deployment), numbers)

    async def _number(self, replica_set: str, deployment: Mapping[str, Any]) -> str:
        """The number of a Deployment's ReplicaSet; empty where there is none of that name."""
        try:
            found = await self._app("replicasets", replica_set)
        except PodGone:
            return ""
        return _understood(_revision, found) if _understood(_owner, found).get("uid") == deployment["uid"] else ""

    async def _app(self, plural: str, name: str) -> Any:
        return await self._get(f"/apis/apps/v1/namespaces/{self._space}/{plural}", name)

    async def _get(self, path: str, name: str) -> Any:
        return await self._ask("GET", f"{path}/{quote(name, safe='')}", {}, None)


def read_owned(pod: Mapping[str, Any]) -> Owned:
    owner = _owner(pod)
    label = _HASHES.get(owner.get("kind", ""))
    if label is None or not str(owner["apiVersion"]).startswith("apps/"):
        return Owned()
    revision = (pod["metadata"].get("labels") or {}).get(label, "")
    return Owned(revision, owner["kind"], owner["name"], owner["uid"])


def read_facts(pod: Mapping[str, Any]) -> PodFacts:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    lasting = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    containers = [*spec["containers"], *lasting]
    entries = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    started = {entry["name"] for entry in entries if entry.get("started")}
    runs = status.get("phase") == "Running" and all(each["name"] in started for each in containers)
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    return PodFacts(
        uid=metadata["uid"],
        terminating="deletionTimestamp" in metadata,
        can_lead=runs and (ready or _leader_only(spec, containers)),
        node=spec.get("nodeName") or "",
    )


def _leader_only(spec: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> bool:
    """Whether readiness hangs on /leader, so that whoever waits is never ready."""
    gates = spec.get("readinessGates") or ()
    return any(str(gate["conditionType"]).startswith(_GATE) for gate in gates) or any(
        _asks_for_leader(each.get("readinessProbe") or {}) for each in containers
    )


def _asks_for_leader(probe: Mapping[str, Any]) -> bool:
    path = str((probe.get("httpGet") or {}).get("path", "")).partition("?")[0].rstrip("/")
    command = " ".join(map(str, (probe.get("exec") or {}).get("command") or ()))
    return path == "/leader" or "/leader" in command


def _owner(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The controller's reference; empty where there is none."""
    references = item["metadata"].get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), {})


def _uid(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["uid"])


def _revision(item: Mapping[str, Any]) -> str:
    return str((item["metadata"].get("annotations") or {}).get(_NUMBER, ""))


def _update(item: Mapping[str, Any]) -> tuple[str, int]:
    rolling = (item["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return str((item.get("status") or {}).get("updateRevision") or ""), int(rolling.get("partition") or 0)


def _understood(read: Callable[[Mapping[str, Any]], _T], item: Any) -> _T:
    try:
        return read(item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KubeUnavailable(f"the Kubernetes API: an object that is none: {error!r}") from error
