"""What the pod label is made of: its keys and values, how they are read from a pod and what a write changes.

The fixed label (``<prefix>/<election>``) says ``leader``, ``electing`` or ``follower`` and is the only one by which
peers are found. The user's own label is an additional output of the same writes. Each has an annotation of its own,
the label's key and ``.token``: the fencing token of whoever wrote it.

The admission policy refuses a token on another pod whose label does not change in the same write, and a label without
its token; ``strip_changes`` and ``own_changes`` keep to that, key by key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ANNOTATION_SUFFIX = ".token"

UNREADABLE = 10**18
"""Stands for a token that is no number of 1 to 18 digits: nobody can prove a higher one, so it is never replaced."""


class Role(StrEnum):
    """Values of the fixed label."""

    LEADER = "leader"
    ELECTING = "electing"
    FOLLOWER = "follower"


LEADING = frozenset({Role.LEADER, Role.ELECTING})
"""Values that mean: leads, or is about to."""


@dataclass(frozen=True, slots=True)
class ExtraLabel:
    """The user's own label: ``key`` says ``leader`` on the leader's pod, else ``follower``."""

    key: str
    leader: str
    follower: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """The keys of one election."""

    key: str
    extra: ExtraLabel | None


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod as an answer of the API server shows it, as far as the label goes.

    ``version`` is the resourceVersion, opaque. ``role`` and ``extra`` are the two labels' values, empty when absent;
    ``token`` and ``extra_token`` their annotations, 0 when absent.
    """

    name: str
    uid: str
    version: str
    role: str
    token: int
    extra: str
    extra_token: int
    terminating: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Labels and annotations of one merge patch; None removes."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str | None]


def read_pod(
    scheme: Scheme,
    *,
    name: str,
    uid: str,
    version: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    terminating: bool,
) -> Pod:
    """A pod's metadata, seen through one election's keys."""
    extra = scheme.extra.key if scheme.extra else ""
    return Pod(
        name=name,
        uid=uid,
        version=version,
        role=labels.get(scheme.key, ""),
        token=read_token(annotations.get(scheme.key + ANNOTATION_SUFFIX)),
        extra=labels.get(extra, "") if extra else "",
        extra_token=read_token(annotations.get(extra + ANNOTATION_SUFFIX)) if extra else 0,
        terminating=terminating,
    )


def is_right(scheme: Scheme, pod: Pod, role: Role, token: int) -> bool:
    """Whether this pod already says ``role``, by all its labels; with ``token`` too, unless that is 0."""
    if pod.role != role or (token and pod.token != token):
        return False
    extra = scheme.extra
    return extra is None or (
        pod.extra == _extra_value(extra, role) and not (role is Role.LEADER and pod.extra_token != token)
    )


def bears_lead(scheme: Scheme, pod: Pod) -> bool:
    """Whether any label of this pod, which takes part in the election, says that it leads or is about to."""
    return pod.role in LEADING or (scheme.extra is not None and bool(pod.role) and pod.extra == scheme.extra.leader)


def is_foreign(pod: Pod) -> bool:
    """A pod that bears the user's label and not the fixed one takes no part: it is reported, never touched."""
    return not pod.role


def token_to_beat(scheme: Scheme, peer: Pod) -> int:
    """The highest token that a strip of this peer would replace."""
    tokens = [peer.token] if peer.role in LEADING else []
    if scheme.extra is not None and peer.extra == scheme.extra.leader:
        tokens.append(peer.extra_token)
    return max(tokens, default=0)


def own_changes(scheme: Scheme, role: Role, token: int | None) -> Changes:
    """What makes the own pod say ``role``. ``token``: a number sets it, 0 removes it, None leaves it as it is."""
    labels = {scheme.key: str(role)}
    if scheme.extra is not None:
        labels[scheme.extra.key] = _extra_value(scheme.extra, role)
    if token is None:
        return Changes(labels, {})
    return Changes(labels, {key + ANNOTATION_SUFFIX: str(token) if token else None for key in labels})


def strip_changes(scheme: Scheme, peer: Pod, token: int) -> Changes:
    """What takes the leader's labels off another pod, with the token of the leader who does it."""
    labels = {scheme.key: str(Role.FOLLOWER)} if peer.role in LEADING else {}
    if scheme.extra is not None and peer.extra == scheme.extra.leader:
        labels[scheme.extra.key] = scheme.extra.follower
    return Changes(labels, {key + ANNOTATION_SUFFIX: str(token) for key in labels})


def leading_selector(scheme: Scheme) -> str:
    """Label selector of the pods that lead or are about to."""
    return f"{scheme.key} in ({Role.LEADER},{Role.ELECTING})"


def extra_selector(extra: ExtraLabel) -> str:
    """Label selector of the pods that bear the leader's value of the user's label, in the election or not."""
    return f"{extra.key}={extra.leader}"


def _extra_value(extra: ExtraLabel, role: Role) -> str:
    return extra.leader if role is Role.LEADER else extra.follower


def read_token(text: str | None) -> int:
    """An annotation as a token: 0 when absent, ``UNREADABLE`` when it is none."""
    if text is None:
        return 0
    readable = text.isascii() and text.isdigit() and len(text) <= 18 and not text.startswith("0")
    return int(text) if readable else UNREADABLE
