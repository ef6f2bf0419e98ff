"""Workloads with a sidecar: what makes pods, the pod it makes, and the sidecar in it, there or yet to be injected."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sidecar.check.manifests.shape import Object, inside, mapping, objects, texts
from sidecar.check.manifests.told import Told, runs_sidecar, told_by_container
from sidecar.settings import DECLARATIONS
from sidecar.settings.build import Given

CONTAINER = "leader-sidecar"
INJECT = "leader-sidecar/inject"
"""The label on a pod template that asks for injection; its value is the election."""

_TEMPLATES = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_ROLLED = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})


@dataclass(frozen=True, slots=True)
class Workload:
    """``pod``: metadata and spec of the pods it makes. ``first``: the sidecar stands among the init containers.

    ``container``: the sidecar's, None where it is yet to be injected.
    """

    kind: str
    name: str
    namespace: str
    manifest: Object
    pod: Object
    container: Object | None
    first: bool
    told: Told

    @property
    def where(self) -> str:
        space = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {space}{self.name}"

    @property
    def spec(self) -> Object:
        """The pods'."""
        return mapping(self.pod.get("spec"))

    @property
    def owner(self) -> Object:
        return mapping(self.manifest.get("spec"))

    @property
    def labels(self) -> Object:
        """The pods'."""
        return inside(self.pod, "metadata", "labels")

    @property
    def native(self) -> bool:
        """Kubelet stops the sidecar after the workload."""
        return self.container is None or (self.first and self.container.get("restartPolicy") == "Always")

    @property
    def replicas(self) -> int | None:
        """How many pods at once; None where the manifest does not say."""
        if self.kind in _ROLLED:
            wanted = self.owner.get("replicas", 1)
        elif self.kind == "Job":
            wanted = self.owner.get("parallelism", 1)
        else:
            return 1 if self.kind == "Pod" else None
        return wanted if isinstance(wanted, int) else None

    def others(self) -> list[Object]:
        """The containers that are no sidecar of ours and run beside it."""
        started = [each for each in objects(self.spec.get("initContainers")) if each.get("restartPolicy") == "Always"]
        return [each for each in [*objects(self.spec.get("containers")), *started] if each is not self.container]


def workloads(manifests: Iterable[Object]) -> Iterator[Workload]:
    """Those that have a sidecar, or ask for one."""
    for manifest in manifests:
        path = _TEMPLATES.get(str(manifest.get("kind")))
        if path is None:
            continue
        found = _workload(manifest, inside(manifest, *path))
        if found is not None:
            yield found


def _workload(manifest: Object, pod: Object) -> Workload | None:
    metadata = mapping(manifest.get("metadata"))
    kind, name = str(manifest["kind"]), str(metadata.get("name") or metadata.get("generateName") or "?")
    namespace = str(metadata.get("namespace") or "")
    spec = mapping(pod.get("spec"))
    for list_name in ("initContainers", "containers"):
        for container in objects(spec.get(list_name)):
            if _is_sidecar(container):
                told = told_by_container(container, pod)
                return Workload(kind, name, namespace, manifest, pod, container, list_name == "initContainers", told)
    if INJECT in inside(pod, "metadata", "labels"):
        return Workload(kind, name, namespace, manifest, pod, None, True, _told_by_labels(pod))
    return None


def _is_sidecar(container: Object) -> bool:
    words = [*texts(container.get("command")), *texts(container.get("args"))]
    if container.get("name") == CONTAINER or runs_sidecar(words):
        return True
    image = str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
    return image == CONTAINER and (not words or words[0] == "run")


def _told_by_labels(pod: Object) -> Told:
    """What injection makes of the label and of the annotations ``leader-sidecar/SETTING``.

    The endpoints come from the cluster's ConfigMap, and so may other settings.
    """
    election = str(inside(pod, "metadata", "labels")[INJECT])
    flags: dict[str, Given] = {"elections": (election,), "native": True, "follow_rollout": True}
    notes = inside(pod, "metadata", "annotations")
    for field_name, declaration in DECLARATIONS.items():
        given = notes.get(f"{CONTAINER}/{declaration.name}")
        if given is not None and field_name not in flags and not declaration.secret:
            flags[field_name] = str(given)
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}
    return Told(flags, {}, fields, hidden=frozenset({DECLARATIONS["etcd_endpoints"].environment}))
