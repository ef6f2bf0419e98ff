"""A labeler in this process, with a verdict that the test turns on and off."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any, Self

from sidecar.clock import SystemClock
from sidecar.election.label import Rules
from sidecar.election.label_scheme import ExtraLabel, Scheme
from sidecar.kube.access import from_kubeconfig
from sidecar.kube.client import KubePods
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.labeler import Labeler
from sidecar.metrics import Metrics
from tests.support.kube import Api

KEY = "leader-sidecar/e"
TOKEN = "leader-sidecar/e.token"  # noqa: S105 an annotation's name
PLAIN = Scheme(KEY, None)
WITH_ROLE = Scheme(KEY, ExtraLabel("role", "primary", "replica"))


class SetVerdict:
    """``mine`` is what a read of the lock key would show; ``gone`` whether the labeler reported its pod gone."""

    def __init__(self) -> None:
        self._token: int | None = None
        self._changed = asyncio.Event()
        self.mine = True
        self.gone = False

    def set(self, token: int | None) -> None:
        self._token = token
        self._changed.set()
        self._changed = asyncio.Event()

    def leading(self) -> int | None:
        return self._token

    async def changed(self) -> None:
        await self._changed.wait()

    async def still_mine(self) -> bool:
        return self.mine

    def pod_gone(self) -> None:
        self.gone = True


class LabelledPod:
    """A pod and its sidecar's labeler, which runs between ``__aenter__`` and ``__aexit__``."""

    def __init__(self, api: Api, folder: Path, name: str, uid: str, scheme: Scheme, *, native: bool) -> None:
        self.api, self.name, self.uid = api, name, uid
        self.pods = KubePods(from_kubeconfig(api.kubeconfig(folder, name, uid)), api.namespace, "leader-sidecar")
        self.verdict, self.metrics = SetVerdict(), Metrics()
        self.announcer = Announcer(self.pods, name, uid)
        self.labeler = Labeler(
            election="e",
            rules=Rules(scheme, native),
            name=name,
            uid=uid,
            settle_seconds=0.1,
            pods=self.pods,
            verdict=self.verdict,
            announcer=self.announcer,
            clock=SystemClock(),
            random=Random(1),
            metrics=self.metrics,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.labeler.run()), asyncio.create_task(self.announcer.run())]
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

    async def labels(self) -> dict[str, Any]:
        metadata = (await self.api.pod(self.name))["metadata"]
        return {**metadata.get("labels", {}), **metadata.get("annotations", {})}
