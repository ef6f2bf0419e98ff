"""``--follow-rollout``, wired: the elector, the Kubernetes API, and the follower between them."""

import os

from sidecar.clock import Clock
from sidecar.election.member import Member
from sidecar.elector.elector import Elector
from sidecar.errors import SettingError
from sidecar.etcd.port import Muster
from sidecar.kube.access import from_kubeconfig, in_cluster, inside_cluster
from sidecar.kube.client import KubePods
from sidecar.kube.revisions import KubeRevisions
from sidecar.rollout.follower import Follower
from sidecar.settings import Settings


class Succession:
    """``learn`` before the first claim, then ``run`` until cancelled, then ``close``."""

    def __init__(self, settings: Settings, elector: Elector, clock: Clock) -> None:
        """Raises ``SettingError`` when there is no Kubernetes API to ask, or the credentials cannot be read."""
        if not settings.kubeconfig and not inside_cluster(os.environ):
            mend = "run it in a cluster, or give --kubeconfig: what a rollout wants is asked of the Kubernetes API"
            raise SettingError("--follow-rollout", "on", mend)
        access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(os.environ)
        self._pods = KubePods(access, settings.namespace, "leader-sidecar")
        revisions = KubeRevisions(self._pods, settings.namespace)
        self._follower = Follower(_Lead(elector), revisions, clock, member_of(settings))
        self.describe, self.learn, self.run = self._follower.describe, self._follower.learn, self._follower.run
        self.heir = self._follower.heir

    def close(self) -> None:
        self._pods.close()


def member_of(settings: Settings) -> Member:
    """What this sidecar knows of itself without asking anybody."""
    return Member(settings.identity, settings.pod_name or "", settings.pod_uid or "")


class _Lead:
    """The elector, as the follower sees it."""

    def __init__(self, elector: Elector) -> None:
        self._elector = elector
        self.lock = elector.lock

    def leading(self) -> int | None:
        return self._elector.view().token

    async def changed(self) -> None:
        await self._elector.changed(self._elector.view().version)

    async def muster(self) -> Muster:
        return await self._elector.muster()

    async def transfer(self, to: str) -> None:
        await self._elector.transfer(to)
