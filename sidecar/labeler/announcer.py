"""Events on the own pod: best effort, never in the way. One is sent at a time; the oldest waiting ones are dropped."""

import asyncio
import logging
from collections import deque

from sidecar.election.verdict import Reason, Transition
from sidecar.errors import KubeError
from sidecar.kube.port import PodEvent, Pods

_LOG = logging.getLogger(__name__)

_WAITING_AT_MOST = 16

_WON = frozenset({Reason.ELECTED, Reason.REGAINED})
_GIVEN_UP = frozenset({Reason.RESIGNED, Reason.TRANSFERRED, Reason.TERMINATED})


class Announcer:
    def __init__(self, pods: Pods, name: str, uid: str) -> None:
        self._pods = pods
        self._name = name
        self._uid = uid
        self._waiting: deque[PodEvent] = deque(maxlen=_WAITING_AT_MOST)
        self._some = asyncio.Event()
        self._refused = ""

    def say(self, event: PodEvent) -> None:
        self._waiting.append(event)
        self._some.set()

    def transition(self, election: str, transition: Transition) -> None:
        """Announce a leadership of this pod that began or ended; other transitions are no news."""
        event = event_of(election, transition)
        if event is not None:
            self.say(event)

    async def run(self) -> None:
        """Send what is said, until cancelled."""
        while True:
            await self._some.wait()
            while self._waiting:
                await self._send(self._waiting.popleft())
            self._some.clear()

    async def _send(self, event: PodEvent) -> None:
        try:
            await self._pods.announce(self._name, self._uid, event)
        except KubeError as error:
            if str(error) != self._refused:
                _LOG.warning("Event %s was not accepted: %s", event.reason, error)
            self._refused = str(error)
        else:
            self._refused = ""


def event_of(election: str, transition: Transition) -> PodEvent | None:
    """The Event of one transition, None where there is none to tell."""
    reason = transition.reason
    if reason is None:
        return None
    if reason in _WON:
        return PodEvent("LeaderElected", f"Leads {election} with token {transition.token} ({reason})", warning=False)
    if reason in _GIVEN_UP:
        return PodEvent("LeaderResigned", f"Gave up the lead of {election} ({reason})", warning=False)
    return PodEvent("LeaderLost", f"Lost the lead of {election} ({reason})", warning=True)
