"""The router of this pod, wired to its elector. Imported only where there is a route: half a megabyte."""

from random import Random

from sidecar.clock import Clock
from sidecar.election.verdict import Reason, State, Transition
from sidecar.elector.elector import Elector
from sidecar.kube.client import KubePods
from sidecar.kube.route import KubeSlices
from sidecar.metrics import Metrics
from sidecar.router.port import Announcer, Parting
from sidecar.router.router import Router
from sidecar.settings import Settings


def make_router(
    settings: Settings,
    service: str,
    elector: Elector,
    pods: KubePods,
    announcer: Announcer,
    *,
    clock: Clock,
    random: Random,
    metrics: Metrics,
) -> Router:
    return Router(
        election=settings.election,
        name=settings.pod_name or "",
        uid=settings.pod_uid or "",
        grace_seconds=settings.route_grace_seconds,
        slices=KubeSlices(pods, settings.namespace, service),
        verdict=RouteVerdict(elector),
        announcer=announcer,
        clock=clock,
        random=random,
        metrics=metrics,
    )


class RouteVerdict:
    """The elector, as the router sees it."""

    def __init__(self, elector: Elector) -> None:
        self._elector = elector
        self._given_up = False
        elector.listen(self._note)

    def leading(self) -> int | None:
        return self._elector.view().token

    def parting(self) -> Parting:
        state = self._elector.view().state
        if not self._given_up:
            return Parting.OUT
        return Parting.LEAVING if state is State.DRAINING else Parting.LEFT

    async def changed(self) -> None:
        await self._elector.changed(self._elector.view().version)

    async def still_mine(self) -> bool:
        return await self._elector.still_mine()

    def _note(self, transition: Transition) -> None:
        """Giving the lead up begins with draining, whatever comes of it; a pod that is gone leaves nothing behind."""
        if transition.to_state is State.DRAINING:
            self._given_up = transition.from_state is State.LEADING and transition.reason is not Reason.POD_GONE
        elif transition.to_state in (State.LEADING, State.UNCONFIRMED):
            self._given_up = False
