"""This pod in Kubernetes: its label, its Events, and whether it is ending. Without ``--labels`` there is none of it."""

import asyncio
import os
from random import Random

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

READ_SECONDS = 0.5
"""Bound of the one read of the own pod at SIGTERM: kubelet may leave two seconds in all."""
TAKE_OFF_SECONDS = 2.0
"""Longest wait for the label to be off before the lock goes on; the next leader takes it off all the same."""


class OwnPod:
    """``run`` until cancelled. Made with the elector whose verdict the label shows."""

    def __init__(self, settings: Settings, elector: Elector, *, clock: Clock, random: Random, metrics: Metrics) -> None:
        """Raises ``SettingError`` when the credentials cannot be read."""
        access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(os.environ)
        self._name, self._uid = settings.pod_name or "", settings.pod_uid or ""
        self._pods = KubePods(access, settings.namespace, "leader-sidecar")
        self._announcer = Announcer(self._pods, self._name, self._uid)
        self._elector = elector
        self.labeler = Labeler(
            election=settings.election,
            rules=Rules(_scheme(settings), settings.native),
            name=self._name,
            uid=self._uid,
            settle_seconds=settings.label_settle_seconds,
            pods=self._pods,
            verdict=_Verdict(elector),
            announcer=self._announcer,
            clock=clock,
            random=random,
            metrics=metrics,
        )
        elector.listen(self._announce)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announcer.run(), name="events")
            await self.labeler.run()
            # it only returns when the pod is gone: one of the same name may be running elsewhere
            await self._elector.stand_out(Reason.POD_GONE)

    async def take_off(self) -> None:
        """Wait until the label no longer says leader, or for as long as the lock may wait for it."""
        await self.labeler.take_off(TAKE_OFF_SECONDS)

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
