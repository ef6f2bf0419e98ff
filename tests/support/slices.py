"""``sidecar.kube.route_port.Slices`` in memory, for unit tests: it records calls, fails and hangs on demand."""

import asyncio
import itertools
from dataclasses import dataclass, replace

from sidecar.election.route_scheme import Endpoint, Family, Place, Service, ServicePort, Slice
from sidecar.errors import KubeConflict, KubeError, PodGone

SERVICE = Service("uid-s", (ServicePort("", "TCP", 8080),), (), has_selector=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``at`` is the loop's time."""

    at: float
    said: str


class FakeSlices:
    """``failures``: raised by the next calls of a verb, in order. ``away``: raised by every call while it is set.

    ``hanging``: verbs whose calls wait until ``release`` is set, and are carried out then.
    """

    service_name = "s"

    def __init__(self, *addresses: str) -> None:
        self.all: dict[Family, Slice] = {}
        self.strangers: tuple[str, ...] = ()
        self.about = SERVICE
        self.pod = Place("me", "uid-me", "node-1", addresses or ("10.0.0.1",), ())
        self.calls: list[Call] = []
        self.failures: dict[str, list[KubeError]] = {}
        self.away: KubeError | None = None
        self.hanging: set[str] = set()
        self.release = asyncio.Event()
        self._versions = itertools.count(1)

    def put(self, pod: str, token: int, family: Family = Family.IPV4) -> None:
        """As another sidecar would, or this one's earlier run."""
        endpoint = Endpoint("10.0.0.9", pod, f"uid-{pod}", "node-9")
        self.all[family] = Slice(family, str(next(self._versions)), token, (endpoint,) if pod else (), (), "uid-s")

    def named(self, family: Family = Family.IPV4) -> tuple[str, int]:
        """Whom the slice names, and its token."""
        found = self.all[family]
        return ",".join(endpoint.pod for endpoint in found.endpoints), found.token

    def said(self) -> list[str]:
        return [call.said for call in self.calls]

    def writes(self) -> list[str]:
        return [said for said in self.said() if said.startswith("write")]

    async def find(self, *, cached: bool) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
        await self._called("find", "cached" if cached else "")
        return tuple(self.all.values()), self.strangers

    async def replace(self, before: Slice, after: Slice) -> Slice:
        names = ",".join(endpoint.pod for endpoint in after.endpoints)
        await self._called("write", f"{after.family} {names or 'nobody'} {after.token}")
        now = self.all.get(after.family, Slice(after.family))
        if now.version != before.version:
            raise KubeConflict(f"{after.family} is at {now.version}")
        self.all[after.family] = replace(after, version=str(next(self._versions)))
        return self.all[after.family]

    async def service(self) -> Service:
        await self._called("service", "")
        return self.about

    async def place(self, pod: str) -> Place:
        await self._called("place", "")
        if pod != self.pod.name:
            raise PodGone(pod)
        return self.pod

    async def _called(self, verb: str, value: str) -> None:
        self.calls.append(Call(asyncio.get_running_loop().time(), f"{verb} {value}".strip()))
        if verb in self.hanging:
            await self.release.wait()
        if self.away is not None:
            raise self.away
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)
