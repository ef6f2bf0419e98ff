"""A status as text for people and as JSON. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.cli.status.ask import Pod

_UNKNOWN = "-"
_ROLES = {True: "leader", False: "waiting", None: _UNKNOWN}


def candidates(pod: Pod, queue: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """The queue with what is known of each; ``leads`` is None while nobody is known to lead."""
    known = pod.leader["leader"] is not None
    return [
        {
            **candidate,
            "leads": candidate["id"] == pod.leader["leader_id"] if known else None,
            "this_pod": candidate["id"] == pod.leader["id"],
            "label": labels.get(candidate["name"]),
            "validity_seconds": pod.validity_seconds if candidate["id"] == pod.leader["id"] else None,
        }
        for candidate in queue
    ]


def pod_json(pod: Pod) -> str:
    return json.dumps(_of_pod(pod), indent=2)


def queue_json(pod: Pod, shown: Sequence[Mapping[str, Any]]) -> str:
    """As ``pod_json``, and ``candidates``."""
    return json.dumps({**_of_pod(pod), "candidates": shown}, indent=2)


def _of_pod(pod: Pod) -> dict[str, Any]:
    return {
        "leader": pod.leader,
        "validity_seconds": pod.validity_seconds,
        "label_in_sync": pod.label_in_sync,
        "unhealthy": pod.unhealthy,
        "unready": pod.unready,
        "out_of_sync": pod.out_of_sync,
    }


def pod_text(pod: Pod) -> str:
    body = pod.leader
    lines = {
        "election": body["election"],
        "this pod": f"{body['name']}, lease {body['id'] or 'none'}",
        "leader": body["leader"] or "unknown",
        "state": f"{body['state']} since {body['since']}{', at risk' if body['at_risk'] else ''}",
        "position": _or_unknown(body["position"]),
        "token": _or_unknown(body["token"]),
        "valid for": _validity(pod.validity_seconds),
        "label": {None: "none", True: "in sync", False: "behind the verdict, or unknown"}[pod.label_in_sync],
        "health": pod.unhealthy or "ok",
        "ready": "yes" if pod.unready is None else f"no: {pod.unready}",
        "in sync": "yes" if pod.out_of_sync is None else f"no: {pod.out_of_sync}",
    }
    width = max(len(name) for name in lines)
    return "\n".join(f"{name:<{width}}  {printable(str(line))}" for name, line in lines.items())


def queue_text(shown: Sequence[Mapping[str, Any]]) -> str:
    head = ("POSITION", "NAME", "ROLE", "LABEL", "TOKEN", "VALID FOR", "LEASE")
    rows = [
        (
            str(candidate["position"]),
            printable(candidate["name"]) + (" (this pod)" if candidate["this_pod"] else ""),
            _ROLES[candidate["leads"]],
            printable(candidate["label"] or _UNKNOWN),
            str(candidate["token"]),
            _validity(candidate["validity_seconds"]),
            candidate["id"],
        )
        for candidate in shown
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))


def printable(given: str) -> str:
    """Without what would make a terminal do things: a candidate chooses its name itself."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in given)


def _validity(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else f"{seconds:.1f} s"


def _or_unknown(value: Any) -> str:
    return _UNKNOWN if value is None else str(value)
