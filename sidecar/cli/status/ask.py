"""What the sidecar says of itself, by the requests that any client has (docs/http.md)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from sidecar.errors import SidecarError

_PATIENCE_SECONDS = 10.0
_SAMPLE = re.compile(r'leader_sidecar_(?P<name>[a-z_]+)\{election="(?P<election>[^"]*)"\} (?P<value>\S+)')


class NoAnswer(SidecarError):
    """The sidecar cannot be reached, or does not answer as one."""


@dataclass(frozen=True, slots=True)
class Pod:
    """This pod. ``leader`` is the body of ``/leader``.

    ``validity_seconds`` is how long the lead holds without a renewal, None on a follower; ``label_in_sync`` None where
    there is no label; the other three are reasons, None where there are none.
    """

    leader: Mapping[str, Any]
    validity_seconds: float | None
    label_in_sync: bool | None
    unhealthy: str | None
    unready: str | None
    out_of_sync: str | None

    @property
    def election(self) -> str:
        return str(self.leader["election"])


def ask_sidecar(address: str) -> Pod:
    """``address`` is ``HOST:PORT``, as ``--listen`` takes it. Raises ``NoAnswer``."""
    leader = _json(address, "/leader")
    if not isinstance(leader, dict) or "is_leader" not in leader:
        raise NoAnswer(f"what answers on {address} is no sidecar")
    samples = _samples(_ask(address, "/metrics")[1].decode(errors="replace"), str(leader["election"]))
    in_sync = samples.get("label_in_sync")
    return Pod(
        leader,
        samples.get("validity_seconds") if leader["is_leader"] else None,
        None if in_sync is None else in_sync == 1,
        _trouble(address, "/healthz"),
        _trouble(address, "/readyz"),
        _trouble(address, "/readyz?strict"),
    )


def ask_queue(address: str) -> Sequence[Mapping[str, Any]]:
    """The candidates of ``/candidates``, in order. Raises ``NoAnswer``, also where the sidecar cannot read them."""
    body = _json(address, "/candidates")
    if not isinstance(body, dict) or "candidates" not in body:
        raise NoAnswer(f"the queue is not known: {_detail(body)}")
    queue: list[dict[str, Any]] = body["candidates"]
    return queue


def _trouble(address: str, path: str) -> str | None:
    code, body = _ask(address, path)
    return None if code == 200 else _detail(_parsed(address, body))


def _detail(problem: Any) -> str:
    return str(problem.get("detail") or problem.get("title")) if isinstance(problem, dict) else "no reason is given"


def _json(address: str, path: str) -> Any:
    return _parsed(address, _ask(address, path)[1])


def _parsed(address: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise NoAnswer(f"what answers on {address} is no sidecar") from error


def _ask(address: str, path: str) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]") or "localhost", int(port), timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"no sidecar answers on {address}: {error}") from error
    finally:
        connection.close()


def _samples(page: str, election: str) -> dict[str, float]:
    """The values of this election by metric, without the common beginning of their names."""
    found = (_SAMPLE.fullmatch(line) for line in page.splitlines())
    return {match["name"]: float(match["value"]) for match in found if match and match["election"] == election}
