"""Puts the sidecar into one object of a manifest, as ruamel.yaml has read it. Nothing of the YAML library is needed."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

from sidecar.errors import SettingError
from sidecar.inject import container as made
from sidecar.inject.container import Choices
from sidecar.inject.wish import Wish, problems, read_wish

Node: TypeAlias = MutableMapping[str, Any]

_TEMPLATED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
_SELECTING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def put_into(document: Any, choices: Choices) -> bool:
    """Whether the object was changed: it asks for a sidecar and has none. Raises ``Refused``, changing nothing."""
    pod = _pod(document)
    if pod is None:
        return False
    metadata = _mapping(pod.get("metadata"))
    annotations = _mapping(metadata.get("annotations"))
    wish = read_wish(_mapping(metadata.get("labels")), annotations)
    if wish is None or _has_sidecar(pod["spec"]):
        return False
    where = f"{document['kind']}/{_mapping(document.get('metadata')).get('name', '')}"
    found = [
        *problems(wish, annotations, _selected(document), where, choices.label_prefix),
        *_volume_clashes(pod["spec"], choices, where),
        *_host_network(pod["spec"], where),
    ]
    if not choices.etcd_endpoints and not wish.etcd_endpoints:
        mend = "give --etcd-endpoints, or the annotation leader-sidecar/etcd-endpoints"
        found.append(SettingError(f"{where}: etcd", None, mend))
    if found:
        raise Refused(found)
    _change(pod, wish, choices)
    return True


class Refused(Exception):
    """What one object asks for cannot work."""

    def __init__(self, errors: list[SettingError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


def _pod(document: Any) -> Node | None:
    """The pod, or pod template, of an object that may have a sidecar."""
    if not isinstance(document, MutableMapping):
        return None
    kind = document.get("kind")
    found: Any = document if kind == "Pod" else None
    if kind in _TEMPLATED:
        found = _mapping(document.get("spec")).get("template")
    return found if isinstance(found, MutableMapping) and isinstance(found.get("spec"), MutableMapping) else None


def _change(pod: Node, wish: Wish, choices: Choices) -> None:
    spec = pod["spec"]
    # as a new pod's label is before anybody has won: a template that says leader would be believed by Services
    labels = _own(pod["metadata"], "labels")
    labels[f"{choices.label_prefix}/{wish.election}"] = "follower"
    sidecar = made.container(wish, choices)
    if choices.native:
        _list(spec, "initContainers").insert(0, sidecar)
    else:
        _list(spec, "containers").append(sidecar)
    _list(spec, "volumes").extend(made.volumes(choices))


def _own(parent: Node, key: str) -> Any:
    """A mapping that is this parent's alone: one with an anchor may stand in a selector, too, and is copied."""
    found = parent[key]
    if getattr(found, "anchor", None) is not None and found.anchor.value is not None:
        parent[key] = type(found)(found)
    return parent[key]


def _list(spec: Any, key: str) -> Any:
    """A list of the pod's, made before its containers where there is none: a comment at the end stays there."""
    if not spec.get(key):
        spec.pop(key, None)
        spec.insert(list(spec).index("containers") if "containers" in spec else 0, key, [])
    found = spec[key]
    if getattr(found, "anchor", None) is not None and found.anchor.value is not None:
        spec[key] = type(found)(found)
    return spec[key]


def _has_sidecar(spec: Mapping[str, Any]) -> bool:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(_mapping(each).get("name") == made.NAME for each in containers)


def _selected(document: Node) -> frozenset[str]:
    if document["kind"] not in _SELECTING:
        return frozenset()
    selector = _mapping(_mapping(document.get("spec")).get("selector"))
    named = [_mapping(each).get("key", "") for each in selector.get("matchExpressions") or ()]
    return frozenset([*_mapping(selector.get("matchLabels")), *named])


def _volume_clashes(spec: Mapping[str, Any], choices: Choices, where: str) -> Iterator[SettingError]:
    there = {_mapping(each).get("name") for each in spec.get("volumes") or ()}
    for volume in made.volumes(choices):
        if volume["name"] in there:
            mend = "is the name of a volume that the sidecar needs: call this one otherwise"
            yield SettingError(f"{where}: volume", volume["name"], mend)


def _host_network(spec: Mapping[str, Any], where: str) -> Iterator[SettingError]:
    if spec.get("hostNetwork"):
        mend = "the sidecar's ports would be the node's: write the container yourself, with --listen and --probe-listen"
        yield SettingError(f"{where}: hostNetwork", True, mend)


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
