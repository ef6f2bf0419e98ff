"""What a pod's label and annotations ask for. The chart's ``_injection.tpl`` asks the same of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sidecar.errors import SettingError
from sidecar.names import election_problem
from sidecar.settings import DECLARATIONS

INJECT = "leader-sidecar/inject"
PREFIX = "leader-sidecar/"

_ANNOTATIONS = {
    "ttl": "ttl_seconds",
    "lock-name": "lock_name",
    "etcd-endpoints": "etcd_endpoints",
    "label": "label",
    "route": "route",
}
"""Annotation without its prefix: field name of the setting that it gives."""

_LEAST_TTL_SECONDS = 2
_MOST_TTL_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Wish:
    """``election`` is the label's value. The others are the annotations' texts as they stand, empty where absent."""

    election: str
    ttl: str = ""
    lock_name: str = ""
    etcd_endpoints: str = ""
    label: str = ""
    route: str = ""

    def label_keys(self, label_prefix: str) -> tuple[str, ...]:
        """Keys that change with the leader."""
        own = f"{label_prefix}/{self.election}"
        return (own, self.label.partition("=")[0]) if self.label else (own,)


def read_wish(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Wish | None:
    """None where the pod asks for no sidecar."""
    if INJECT not in labels:
        return None
    given = {name: str(annotations.get(PREFIX + name, "")) for name in _ANNOTATIONS}
    return Wish(
        str(labels[INJECT]), given["ttl"], given["lock-name"], given["etcd-endpoints"], given["label"], given["route"]
    )


def problems(
    wish: Wish, annotations: Mapping[str, str], selected: frozenset[str], where: str, label_prefix: str
) -> Iterator[SettingError]:
    """What the sidecar would refuse, or could not work. ``selected``: label keys that the owner's selector names."""
    reason = election_problem(wish.election)
    if reason:
        yield SettingError(f"{where}: label {INJECT}", wish.election, reason)
    for key in annotations:
        name = key.removeprefix(PREFIX)
        if name == key or name.endswith(".token"):
            continue
        if name not in _ANNOTATIONS:
            known = ", ".join(_ANNOTATIONS)
            yield SettingError(f"{where}: annotation {key}", annotations[key], f"is not known: there are {known}")
            continue
        yield from _annotation(where, key, str(annotations[key]), DECLARATIONS[_ANNOTATIONS[name]].parse)
    yield from _label(wish, where, label_prefix)
    for key in wish.label_keys(label_prefix):
        if key in selected:
            mend = "changes with the leader, and each change would orphan the pod: select by another label"
            yield SettingError(f"{where}: selector", key, mend)


def _annotation(where: str, key: str, given: str, parse: Callable[[str], object]) -> Iterator[SettingError]:
    try:
        if not given:
            raise ValueError("is empty: give a value or leave it out")
        parsed = parse(given)
        if isinstance(parsed, int) and (parsed < _LEAST_TTL_SECONDS or len(given) > _MOST_TTL_DIGITS):
            raise ValueError("write whole seconds, at least 2")
    except ValueError as reason:
        yield SettingError(f"{where}: annotation {key}", given, str(reason))


def _label(wish: Wish, where: str, label_prefix: str) -> Iterator[SettingError]:
    key = wish.label.partition("=")[0]
    if key.startswith((PREFIX, f"{label_prefix}/")):
        mend = "choose a key of your own: those are the elections'"
        yield SettingError(f"{where}: annotation {PREFIX}label", wish.label, mend)
