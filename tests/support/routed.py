"""A router in this process, with a verdict that the test turns on and off."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any, Self

from sidecar.clock import SystemClock
from sidecar.election.route_scheme import Family, slice_name
from sidecar.kube.access import from_kubeconfig
from sidecar.kube.client import KubePods
from sidecar.kube.route import KubeSlices
from sidecar.labeler.announcer import Announcer
from sidecar.metrics import Metrics
from sidecar.router.port import Parting
from sidecar.router.router import Router
from tests.support.kube import Api

SERVICE = "web-leader"
PORTS = [{"name": "web", "port": 80, "targetPort": 8080, "protocol": "TCP"}]


class SetRoute:
    """``mine`` is what a read of the lock key would show."""

    def __init__(self) -> None:
        self._token: int | None = None
        self._parting = Parting.OUT
        self._changed = asyncio.Event()
        self.mine = True

    def set(self, token: int | None, parting: Parting = Parting.OUT) -> None:
        self._token, self._parting = token, parting
        self._changed.set()
        self._changed = asyncio.Event()

    def leading(self) -> int | None:
        return self._token

    def parting(self) -> Parting:
        return self._parting

    async def changed(self) -> None:
        await self._changed.wait()

    async def still_mine(self) -> bool:
        return self.mine


class RoutedPod:
    """A pod and its sidecar's router, which runs between ``__aenter__`` and ``__aexit__``."""

    def __init__(self, api: Api, folder: Path, name: str, uid: str) -> None:
        self.api, self.name, self.uid = api, name, uid
        self.pods = KubePods(from_kubeconfig(api.kubeconfig(folder, name, uid)), api.namespace, "leader-sidecar")
        self.slices = KubeSlices(self.pods, api.namespace, SERVICE)
        self.verdict, self.metrics = SetRoute(), Metrics()
        self.announcer = Announcer(self.pods, name, uid)
        self.router = Router(
            election="e",
            name=name,
            uid=uid,
            grace_seconds=1.0,
            slices=self.slices,
            verdict=self.verdict,
            announcer=self.announcer,
            clock=SystemClock(),
            random=Random(1),
            metrics=self.metrics,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.router.run()), asyncio.create_task(self.announcer.run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.pods.close()

    async def stop(self) -> None:
        """As if the process were gone: nothing is put right."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def runs(self) -> bool:
        return not any(task.done() for task in self._tasks)


async def routed_to(api: Api, family: Family = Family.IPV4) -> tuple[str, int]:
    """Whom the slice names, and its token; empty and 0 where there is none."""
    for found in await api.slices():
        if found["metadata"]["name"] == slice_name(SERVICE, family):
            return read_route(found)
    return "", 0


def read_route(found: dict[str, Any]) -> tuple[str, int]:
    names = ",".join(endpoint["targetRef"]["name"] for endpoint in found.get("endpoints") or ())
    return names, int((found["metadata"].get("annotations") or {}).get("leader-sidecar/token", 0))
