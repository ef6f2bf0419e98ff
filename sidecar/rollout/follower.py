"""Hands the lead over to a pod of the revision that the owner wants, once, as soon as one can lead.

While this pod leads the queue is looked at every few seconds. Kubernetes is asked only while candidates of several
revisions stand in it, and once at each win: a pod that is terminating, or on a node that is cordoned, does not keep it.
``sidecar.election.rollout`` decides; this reads, and hands over.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from sidecar.clock import Clock
from sidecar.election.member import Member, write_member
from sidecar.election.queue import in_order
from sidecar.election.rollout import Peer, can_be_heir, in_line, reachable, several_revisions
from sidecar.errors import (
    CannotTransfer,
    KubeError,
    KubeForbidden,
    NotLeading,
    PodGone,
    SidecarError,
    UnknownCandidate,
)
from sidecar.kube.revisions import Owned, Revisions
from sidecar.rollout.port import Election

log = logging.getLogger(__name__)

LOOK_SECONDS, ROLLING_SECONDS, SECONDS_EACH = 10.0, 2.0, 0.02
"""Between two looks at the queue: while one revision stands in it, while several do or this pod is about to go, and so
much more for each candidate."""
REFUSED_SECONDS = 60.0
LEARN_SECONDS = 2.0
"""How long joining may wait for the own pod's revision while the API is away."""
MOST_PODS = 10
"""Pods read in one look, at most."""


class Follower:
    """``run`` until cancelled. ``learn`` first: the member key is put with the claim."""

    def __init__(self, election: Election, revisions: Revisions, clock: Clock, member: Member) -> None:
        """``member`` says what is known of the own pod: everything but its revision."""
        self._election, self._revisions, self._clock, self._member = election, revisions, clock, member
        self._owned: Owned | None = None
        self._leaving: bool | None = None
        self._rolling = False
        self._nodes_hidden = False
        self._said: str | None = None

    def describe(self) -> str:
        """The value of the member key."""
        return write_member(self._member)

    async def learn(self) -> None:
        """Read the own pod's revision; returns after ``LEARN_SECONDS`` at the latest, with or without it."""
        try:
            async with asyncio.timeout(LEARN_SECONDS):
                await self._own()
        except TimeoutError:
            log.warning("the pod's revision is not known: the Kubernetes API gives no answer in time")
        except KubeError as error:
            self._say(error)

    async def run(self) -> None:
        while True:
            token = self._election.leading()
            if token is None:
                await self._election.changed()
                continue
            self._leaving = None
            while self._election.leading() == token:
                await self._wait(await self._attempt())

    async def heir(self, timeout_seconds: float) -> str | None:
        """To whom a leader that ends should hand over, rather than to the next in the queue: a lease's id, or None.

        Found within ``timeout_seconds``, or not at all. Where one revision stands in the queue the next is as good.
        """
        if self._election.leading() is None:
            return None
        try:
            async with asyncio.timeout(timeout_seconds):
                muster = await self._election.muster()
                queue, _ = in_order(self._election.lock, muster.keys)
                heir, _ = await self._heir(reachable(self._election.lock, queue, muster.members), leaving=False)
        except TimeoutError:
            return None
        except SidecarError as error:
            self._say(error)
            return None
        return None if heir is None else heir.lease

    # --- one attempt

    async def _attempt(self) -> float:
        """One look, whatever comes of it; how long to wait before the next."""
        try:
            waiting = await self._look()
        except NotLeading:
            return 0.0
        except SidecarError as error:
            self._say(error)
            return REFUSED_SECONDS if isinstance(error, KubeForbidden) else 2 * ROLLING_SECONDS
        self._said = None
        return (ROLLING_SECONDS if self._rolling or self._leaving else LOOK_SECONDS) + SECONDS_EACH * waiting

    async def _look(self) -> int:
        """Hand over if there is reason to; how many stand in the queue."""
        if self._leaving is None:
            self._leaving = await self._is_about_to_go()
        muster = await self._election.muster()
        queue, _ = in_order(self._election.lock, muster.keys)
        heir, wanted = await self._heir(reachable(self._election.lock, queue, muster.members), leaving=self._leaving)
        if heir is not None:
            await self._hand_over(heir, wanted)
        return len(queue)

    async def _heir(self, peers: Sequence[Peer], *, leaving: bool) -> tuple[Peer | None, str | None]:
        """Whom to hand over to, None for nobody; and the revision that is wanted, where that is known."""
        own = await self._own() if peers else Owned()
        wanted = None
        self._rolling = several_revisions(own.revision, peers)
        if self._rolling:
            known = {peer.member.revision for peer in peers} - {""}
            wanted = await self._revisions.wanted(own, self._member.pod, known)
        for peer in in_line(own.revision, wanted, peers, leaving=leaving)[:MOST_PODS]:
            if await self._can_lead(peer):
                return peer, wanted
        return None, wanted

    async def _is_about_to_go(self) -> bool:
        facts = await self._revisions.facts(self._member.pod)
        if facts.terminating:
            log.info("this pod leads, and is terminating")
            return True
        cordoned = await self._is_cordoned(facts.node)
        if cordoned:
            log.info("this pod leads, and its node is cordoned")
        return cordoned

    async def _can_lead(self, peer: Peer) -> bool:
        try:
            facts = await self._revisions.facts(peer.member.pod)
        except PodGone:
            return False
        if not can_be_heir(peer, facts):
            return False
        return not (self._leaving and await self._is_cordoned(facts.node))

    async def _hand_over(self, peer: Peer, wanted: str | None) -> None:
        why = "this pod is about to go" if self._leaving else f"the owner wants revision {wanted}"
        log.info("handing over to %s: %s", peer.member.identity, why)
        try:
            await self._election.transfer(peer.lease)
        except (UnknownCandidate, CannotTransfer) as error:
            log.warning("not handed over to %s: %s", peer.member.identity, error)

    # --- what is known of the own pod and of nodes

    async def _own(self) -> Owned:
        """Neither the revision nor the owner of a pod ever changes."""
        if self._owned is None:
            self._owned = await self._revisions.owned(self._member.pod)
            self._member = replace(self._member, revision=self._owned.revision)
        return self._owned

    async def _is_cordoned(self, node: str) -> bool:
        if self._nodes_hidden or not node:
            return False
        try:
            return await self._revisions.cordoned(node)
        except PodGone:  # the node has gone
            return False
        except KubeForbidden:
            self._nodes_hidden = True  # no RoleBinding gives a right to nodes: most sidecars have none
            return False

    async def _wait(self, seconds: float) -> None:
        """Until the verdict changes, at most ``seconds``."""
        waits: list[asyncio.Task[None]] = [
            asyncio.create_task(self._election.changed()),
            asyncio.create_task(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _say(self, error: SidecarError) -> None:
        """Log a failure when it begins or changes, not each time it is met."""
        if str(error) == self._said:
            return
        self._said = str(error)
        mend = ""
        if isinstance(error, KubeForbidden):
            mend = ": grant get on pods, replicasets, deployments and statefulsets, or leave out --follow-rollout"
        log.warning("cannot follow the rollout: %s%s", error, mend)
