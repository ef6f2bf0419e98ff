"""The bodies: pure functions from the election's values to what JSON carries."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sidecar.election.queue import LockKey, candidate_name, lease_hex
from sidecar.election.verdict import Transition, View


def leader_body(view: View, *, deadline: float | None, now: float | None) -> dict[str, Any]:
    """``deadline`` is a promise in CLOCK_BOOTTIME seconds, None where none is handed out.

    ``valid_for_ms`` counts from when the request was sent: at the latest ``now``, and None where that is not known to
    be recent (long polls, events). It is rounded down and never negative.
    """
    valid_for_ms = None if deadline is None or now is None else max(0, int((deadline - now) * 1000))
    return {
        "election": view.election,
        "name": view.name,
        "id": view.id,
        "is_leader": view.is_leader,
        "leader": view.leader,
        "leader_id": view.leader_id,
        "token": view.token if view.is_leader else None,
        "valid_for_ms": valid_for_ms,
        "valid_until_boottime_ns": None if deadline is None else int(deadline * 1e9),
        "at_risk": view.at_risk,
        "since": rfc3339(view.since_seconds),
        "state": view.state,
        "position": view.position,
        "version": view.version,
    }


def leader_headers(body: dict[str, Any]) -> dict[str, str]:
    """The body's token and validity once more, for clients that read no JSON."""
    values = {"X-Leader-Token": body["token"], "X-Leader-Valid-Ms": body["valid_for_ms"]}
    return {name: str(value) for name, value in values.items() if value is not None}


def leader_name(view: View) -> str:
    """What the retired Kubernetes leader-elector answered; ``""`` for nobody.

    Its clients compare the name with their own: this pod's name stands there only while this pod leads, though another
    lease may hold the same name (a StatefulSet's pod, re-created).
    """
    if view.is_leader:
        return view.name
    return "" if view.leader is None or view.leader == view.name else view.leader


def candidates_body(election: str, lock: str, revision: int, keys: Sequence[LockKey]) -> dict[str, Any]:
    return {
        "election": election,
        "revision": revision,
        "candidates": [
            {
                "name": candidate_name(lock, key),
                "id": lease_hex(lock, key.name) or "",
                "position": position,
                "token": key.create_revision,
            }
            for position, key in enumerate(keys, start=1)
        ],
    }


def history_body(transitions: Sequence[Transition]) -> dict[str, Any]:
    return {
        "transitions": [
            {
                "at": rfc3339(transition.at_seconds),
                "from": transition.from_state,
                "to": transition.to_state,
                "reason": transition.reason,
                "token": transition.token,
                "duration_seconds": round(transition.duration_seconds, 3),
            }
            for transition in transitions
        ]
    }


def rfc3339(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
