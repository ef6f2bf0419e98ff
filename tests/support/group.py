"""Sidecars of one election under a witness, and the hands of an operator on their keys."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.children import Deadline
from tests.support.etcd import Cluster
from tests.support.promise import Answer
from tests.support.sidecar import SidecarProcess, Unreachable
from tests.support.witness import Witness, boottime

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    value: str
    lease_id: int
    create_revision: int


class Group:
    """Used as a context manager: the sidecars run, one leads and the others wait; at the end the witness judges.

    ``names`` are their identities, ``endpoints`` what they are told of etcd (all of it by default), or what each of
    them is, ``own_flags`` what each is given besides ``flags``. All start at once: ``queue`` tells who stands where.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        *,
        lock: str,
        names: Sequence[str] = ("a", "b"),
        ttl_seconds: int = 2,
        flags: Sequence[str] = (),
        own_flags: Mapping[str, Sequence[str]] | None = None,
        environment: Mapping[str, str] | None = None,
        endpoints: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        ask_every_seconds: float = 0.01,
    ) -> None:
        self.cluster, self.lock, self.ttl_seconds = cluster, lock, ttl_seconds
        told = endpoints or cluster.endpoints
        self.sidecars = [
            SidecarProcess(
                name,
                etcd_endpoints=",".join(told[name] if isinstance(told, Mapping) else told),
                lock_name=lock,
                folder=folder,
                ttl_seconds=ttl_seconds,
                flags=(*flags, *(own_flags or {}).get(name, ())),
                environment=environment,
            )
            for name in names
        ]
        self.witness = Witness(ask_every_seconds)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            # last in, first out: the frozen are thawed, for the witness waits for them; it judges; then all go
            for sidecar in self.sidecars:
                starting.callback(sidecar.kill)
                sidecar.start()
            starting.enter_context(self.witness)
            starting.callback(self._thaw)
            for sidecar in self.sidecars:
                self.witness.attend(sidecar)
            self.settle()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.__exit__(*exception)  # type: ignore[arg-type]

    def _thaw(self) -> None:
        for sidecar in self.sidecars:
            if sidecar.alive:
                sidecar.thaw()

    def __getitem__(self, name: str) -> SidecarProcess:
        return next(sidecar for sidecar in self.sidecars if sidecar.identity == name)

    # --- who leads

    def settle(
        self, *, without: Sequence[SidecarProcess] = (), patience_seconds: float = _PATIENCE_SECONDS
    ) -> SidecarProcess:
        """Wait until one leads and the others, but for ``without``, wait and know it; the leader."""
        asked = [sidecar for sidecar in self.sidecars if sidecar not in without]
        deadline, bodies = Deadline(patience_seconds), list[dict[str, Any]]()
        while deadline.goes_on():
            try:
                bodies = [sidecar.leader()[1] for sidecar in asked]
            except Unreachable:
                continue
            leaders = [body["name"] for body in bodies if body["is_leader"]]
            waiting = [body for body in bodies if body["state"] == "waiting" and [body["leader"]] == leaders]
            if len(leaders) == 1 and len(waiting) == len(asked) - 1:
                return self[leaders[0]]
        raise AssertionError(f"no order comes: {bodies}\n{self.logs()}")

    def let_lead(self, sidecar: SidecarProcess) -> None:
        """Others resign until it leads."""
        while (leader := self.settle()) is not sidecar:
            self.witness.excuse_resign(self.token(leader))
            leader.resign()

    def wait_for_first_answer_of_a_leader(self, since: float, *, other_than: SidecarProcess) -> Answer:
        """The first 200 of another one that arrived at ``since`` or later."""
        deadline = Deadline(_PATIENCE_SECONDS)
        while deadline.goes_on():
            for answer in self.witness.answers(since=since):
                if answer.leads and answer.sidecar != other_than.identity:
                    return answer
        raise AssertionError(f"nobody took over from {other_than.identity}: {self.logs()}")

    def others(self, leader: SidecarProcess) -> list[SidecarProcess]:
        return [sidecar for sidecar in self.sidecars if sidecar is not leader]

    def token(self, leader: SidecarProcess) -> int:
        return int(leader.wait_until_leading()["token"])

    def logs(self) -> str:
        return "\n".join(f"--- {sidecar.identity}\n{sidecar.output()[-6000:]}" for sidecar in self.sidecars)

    # --- an operator's hands

    def queue(self) -> list[Key]:
        """The keys below the lock by create revision."""
        found = json.loads(
            self.cluster.ctl("get", f"{self.lock}/", "--prefix", "--sort-by=CREATE", "--order=ASCEND", "-w", "json")
        )
        return [
            Key(_text(kv["key"]), _text(kv.get("value", "")), kv.get("lease", 0), kv["create_revision"])
            for kv in found.get("kvs", [])
        ]

    def names_in_queue(self) -> list[str]:
        return [key.value for key in self.queue()]

    def key_of(self, sidecar: SidecarProcess) -> Key:
        return next(key for key in self.queue() if key.value == sidecar.identity)


def metric(sidecar: SidecarProcess, name: str) -> float:
    """The sum of a metric's samples; 0 when it has none. ``name`` may carry labels: ``failures_total{kind="x"}``."""
    _, page = sidecar.ask("/metrics")
    lines = str(page["text"]).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def wait_for_metric(sidecar: SidecarProcess, name: str, *, at_least: float) -> None:
    deadline = Deadline(_PATIENCE_SECONDS)
    while deadline.goes_on():
        with suppress(Unreachable):  # not yet
            if metric(sidecar, name) >= at_least:
                return
    raise AssertionError(f"{sidecar.identity}: {name} does not reach {at_least}:\n{sidecar.output()[-6000:]}")


def wait_for_log(sidecar: SidecarProcess, text: str) -> None:
    deadline = Deadline(_PATIENCE_SECONDS)
    while deadline.goes_on():
        if text in sidecar.output():
            return
    raise AssertionError(f"{sidecar.identity} does not say {text!r}:\n{sidecar.output()[-6000:]}")


def sleep_ttls(group: Group, ttls: float) -> None:
    """Let so many TTLs go by."""
    until, deadline = boottime() + ttls * group.ttl_seconds, Deadline(_PATIENCE_SECONDS, poll_seconds=0.05)
    while deadline.goes_on() and boottime() < until:
        pass


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
