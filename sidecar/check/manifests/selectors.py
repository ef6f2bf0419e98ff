"""Findings about label keys that the sidecar flips and that somebody else goes by."""

from collections.abc import Iterable, Iterator

from sidecar.check.finding import Finding, Id, error, note
from sidecar.check.manifests.shape import Object, inside, mapping, objects
from sidecar.check.manifests.workload import Workload
from sidecar.election.label_scheme import LEADING, Role


def findings(workload: Workload) -> Iterator[Finding]:
    keys = workload.told.label_keys()
    if workload.kind not in {"Job", "CronJob", "Pod"}:
        yield from owner(workload.where, keys, mapping(workload.owner.get("selector")))
    extra = workload.told.value("label")
    for key in keys:
        leading = {extra.leader} if extra and key == extra.key else LEADING
        if workload.labels.get(key) in leading:
            what = f"its pods are made with the label {key}={workload.labels[key]}: each is routed to before it leads"
            yield error(Id.BORN_LEADER, workload.where, what, "leave the label out of the template, or say follower")


def owner(where: str, keys: Iterable[str], selector: Object) -> Iterator[Finding]:
    """``selector``: of whatever owns the pods. Flipped, a label in it takes the pod away from its owner."""
    used = set(mapping(selector.get("matchLabels")))
    used |= {str(each.get("key")) for each in objects(selector.get("matchExpressions"))}
    if not {"matchLabels", "matchExpressions"} & set(selector):
        used |= set(selector)  # a ReplicationController's is plain
    for key in sorted(used & set(keys)):
        what = f"its selector has {key}, which the sidecar changes: each change orphans the pod, and makes another"
        yield error(Id.OWNER_SELECTOR, where, what, "take the key out of the selector, or give another --label")


def services(manifests: Iterable[Object], found: Iterable[Workload]) -> Iterator[Finding]:
    """A Service that asks for a value that no sidecar writes never has an endpoint."""
    values: dict[str, set[str]] = {}
    for workload in found:
        extra = workload.told.value("label")
        for key in workload.told.label_keys():
            own = {extra.leader, extra.follower} if extra and key == extra.key else {str(role) for role in Role}
            values.setdefault(key, set()).update(own)
    for manifest in manifests:
        if manifest.get("kind") != "Service":
            continue
        for key, value in inside(manifest, "spec", "selector").items():
            if key in values and str(value) not in values[key]:
                what = f"selects {key}={value}, which no sidecar writes: it never has an endpoint"
                mend = f"select one of {', '.join(sorted(values[key]))}"
                yield error(Id.SERVICE_SELECTOR, f"Service {inside(manifest, 'metadata').get('name', '?')}", what, mend)


def shared(found: Iterable[Workload]) -> Iterator[Finding]:
    """Two workloads of a namespace in one election: meant, or a name used twice."""
    seen: dict[tuple[str, str], Workload] = {}
    for workload in found:
        if workload.told.given("lock_name"):
            continue
        for election in workload.told.elections():
            first = seen.setdefault((workload.namespace, election), workload)
            if first is not workload:
                what = f"stands in the election {election!r} together with {first.where}: one leader for both"
                yield note(Id.SHARED_ELECTION, workload.where, what, "give it another --election, unless that is meant")
