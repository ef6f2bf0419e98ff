"""``sidecar.kube.port.Pods`` in memory, for the labeler's unit tests: it records calls, fails and hangs on demand."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sidecar.errors import KubeConflict, KubeError, KubeForbidden, PodGone
from sidecar.kube.port import PodEvent, PodMeta, PodStatus


class LoopClock:
    """The event loop's time, which looptime fakes."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now()

    async def sleep(self, seconds: float) -> None:
        # looptime rounds to microseconds, so that a shorter sleep would end before its time
        await asyncio.sleep(max(seconds, 2e-6))


@dataclass(frozen=True, slots=True)
class Call:
    """``at`` is the loop's time."""

    at: float
    verb: str
    name: str
    value: str


class FakePods:
    """``failures``: raised by the next calls of a verb, in order. ``away``: raised by every call while it is set.
    ``denied``: names of pods whose patches are refused.

    ``hanging``: verbs whose calls wait until ``release`` is set, and are carried out then.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.all: dict[str, PodMeta] = {}
        self.calls: list[Call] = []
        self.events: list[PodEvent] = []
        self.failures: dict[str, list[KubeError]] = {}
        self.away: KubeError | None = None
        self.denied: set[str] = set()
        self.hanging: set[str] = set()
        self.release = asyncio.Event()
        self._versions = itertools.count(1)

    def put(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        *,
        uid: str = "",
        terminating: bool = False,
    ) -> None:
        self.all[name] = PodMeta(
            name, uid or f"uid-{name}", str(next(self._versions)), labels or {}, annotations or {}, terminating
        )

    def labels(self, name: str) -> dict[str, str]:
        return {**self.all[name].labels, **self.all[name].annotations}

    def verbs(self) -> list[str]:
        return [f"{call.verb} {call.name} {call.value}".strip() for call in self.calls]

    async def read(self, name: str, *, cached: bool) -> PodMeta:
        await self._called("read", name, "cached" if cached else "")
        return self._found(name)

    async def select(self, selector: str, *, cached: bool) -> tuple[PodMeta, ...]:
        await self._called("select", "", "cached" if cached else "")
        if " in " in selector:
            return tuple(pod for pod in self.all.values() if pod.labels.get(self.key) in ("leader", "electing"))
        key, _, value = selector.partition("=")
        return tuple(pod for pod in self.all.values() if pod.labels.get(key) == value)

    async def patch(
        self,
        name: str,
        *,
        uid: str,
        version: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str | None],
    ) -> PodMeta:
        await self._called("patch", name, labels.get(self.key, ""))
        if name in self.denied:
            raise KubeForbidden(f"PATCH pods/{name}: 403 denied")
        pod = self._found(name)
        if pod.version != version:
            raise KubeConflict(f"{name} is at {pod.version}")
        if pod.uid != uid:
            raise PodGone(f"{name} is {pod.uid}")
        notes = {**pod.annotations, **annotations}
        kept = {key: value for key, value in notes.items() if value is not None}
        new = replace(pod, labels={**pod.labels, **labels}, annotations=kept)
        if new != pod:
            self.all[name] = replace(new, version=str(next(self._versions)))
        return self.all[name]

    async def status(self, name: str, timeout_seconds: float) -> PodStatus:
        raise NotImplementedError

    async def announce(self, name: str, uid: str, event: PodEvent) -> None:
        await self._called("announce", name, event.reason)
        self.events.append(event)

    async def _called(self, verb: str, name: str, value: str) -> None:
        self.calls.append(Call(asyncio.get_running_loop().time(), verb, name, value))
        if verb in self.hanging:
            await self.release.wait()
        if self.away is not None:
            raise self.away
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)

    def _found(self, name: str) -> PodMeta:
        if name not in self.all:
            raise PodGone(name)
        return self.all[name]
