"""This pod in Kubernetes: its label, its route, its Events, and whether it is ending.

Without ``--labels`` and ``--route`` there is none of it.
"""

import asyncio
import logging
import os
from random import Random
from typing import TYPE_CHECKING

from sidecar.clock import Clock
from sidecar.election.label import Rules
from sidecar.election.label_scheme import ExtraLabel, Scheme
from sidecar.election.verdict import Reason, Transition
from sidecar.elector.elector import Elector
from sidecar.kube.access import from_kubeconfig, in_cluster
from sidecar.kube.client import KubePods
from sidecar.kube.ending import workload_has_ended
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.labeler import Labeler
from sidecar.metrics import Metrics
from sidecar.settings import Settings

if TYPE_CHECKING:
    from sidecar.router.router import Router

log = logging.getLogger(__name__)

READ_SECONDS = 0.5
"""Bound of the one read of the own pod at SIGTERM: kubelet may leave two seconds in all."""
TAKE_OFF_SECONDS = 2.0
"""Longest wait for the label to be off before the lock goes on; the next leader takes it off all the same."""


class OwnPod:
    """``run`` until cancelled. Made with the elector whose verdict label and route show."""

    def __init__(self, settings: Settings, elector: Elector, *, clock: Clock, random: Random, metrics: Metrics) -> None:
        """Raises ``SettingError`` when the credentials cannot be read."""
        asks = "--labels" if settings.labels else "--route"
        access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(os.environ, setting=asks)
        self._name, self._uid = settings.pod_name or "", settings.pod_uid or ""
        self._pods = KubePods(access, settings.namespace, "leader-sidecar")
        self._announcer = Announcer(self._pods, self._name, self._uid)
        self._elector, self._clock, self._random, self._metrics = elector, clock, random, metrics
        self.labeler = self._make_labeler(settings) if settings.labels else None
        self.router = self._make_router(settings, settings.route) if settings.route else None
        self._labelling: asyncio.Task[None] | None = None
        elector.listen(self._announce)

    def _make_labeler(self, settings: Settings) -> Labeler:
        return Labeler(
            election=settings.election,
            rules=Rules(_scheme(settings), settings.native),
            name=self._name,
            uid=self._uid,
            settle_seconds=settings.label_settle_seconds,
            pods=self._pods,
            verdict=_Verdict(self._elector),
            announcer=self._announcer,
            clock=self._clock,
            random=self._random,
            metrics=self._metrics,
        )

    def _make_router(self, settings: Settings, service: str) -> "Router":
        from sidecar.own_route import make_router

        return make_router(
            settings,
            service,
            self._elector,
            self._pods,
            self._announcer,
            clock=self._clock,
            random=self._random,
            metrics=self._metrics,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announcer.run(), name="events")
            if self.labeler is not None:
                self._labelling = tasks.create_task(self._keep(self.labeler), name="labeler")
            if self.router is not None:
                tasks.create_task(self._keep(self.router), name="router")

    async def _keep(self, keeper: "Labeler | Router") -> None:
        await keeper.run()
        # it only returns when the pod is gone: one of the same name may be running elsewhere
        await self._elector.stand_out(Reason.POD_GONE)

    def leave_label(self) -> None:
        """From now on the label stays as it is."""
        if self._labelling is not None:
            self._labelling.cancel()

    def carry_on(self) -> None:
        """Before ``run``: an earlier run's place is resumed, and what it left on the pod and in the slices stays."""
        for keeper in (self.labeler, self.router):
            if keeper is not None:
                keeper.carry_on()

    async def wait_initialised(self) -> None:
        """Until what an earlier run left on the pod and in the slices is put right."""
        for keeper in (self.labeler, self.router):
            if keeper is not None:
                await keeper.wait_initialised()

    async def take_off(self) -> None:
        """Wait until the label no longer says leader, or for as long as the lock may wait for it."""
        if self.labeler is not None:
            await self.labeler.take_off(TAKE_OFF_SECONDS)

    async def hand_route_over(self, timeout_seconds: float) -> None:
        """Once the lock has gone, at the end of this process: see ``Router.hand_over``."""
        if self.router is not None and not await self.router.hand_over(timeout_seconds):
            log.warning("time is up, and the Service's slices may still name this pod")

    async def workload_has_ended(self) -> bool:
        """Whether this container's end is the pod's: see ``sidecar.kube.ending``. Raises ``KubeError``."""
        return workload_has_ended(await self._pods.status(self._name, READ_SECONDS), self._uid)

    def close(self) -> None:
        self._pods.close()

    def _announce(self, transition: Transition) -> None:
        self._announcer.transition(self._elector.election, transition)


class _Verdict:
    """The elector, as the labeler sees it."""

    def __init__(self, elector: Elector) -> None:
        self._elector = elector

    def leading(self) -> int | None:
        return self._elector.view().token

    async def changed(self) -> None:
        await self._elector.changed(self._elector.view().version)

    async def still_mine(self) -> bool:
        return await self._elector.still_mine()

    def pod_gone(self) -> None:
        """``OwnPod.run`` sees to it."""


def _scheme(settings: Settings) -> Scheme:
    own = settings.label
    extra = ExtraLabel(own.key, own.leader, own.follower) if own else None
    return Scheme(settings.label_key(settings.election), extra)
