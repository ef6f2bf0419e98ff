"""Carries out one step of ``sidecar.election.route`` and says what was learned by it. Decides nothing."""

from dataclasses import dataclass

from sidecar.election.label import Failure
from sidecar.election.route import (
    Call,
    CheckMine,
    Known,
    ReadSlices,
    ReadTarget,
    Write,
    failed,
    learned_mine,
    learned_slices,
    learned_target,
    learned_write,
)
from sidecar.election.route_scheme import Target, aim
from sidecar.errors import (
    KubeConflict,
    KubeForbidden,
    KubeUnauthorized,
    KubeUnavailable,
    PodGone,
    ServiceMissing,
    SidecarError,
)
from sidecar.kube.route_port import Slices
from sidecar.router.port import Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known after a call; with ``failure`` and ``error`` where it failed."""

    known: Known
    failure: Failure | None = None
    error: SidecarError | None = None


class Caller:
    """Speaks for the pod ``name``."""

    def __init__(self, name: str, slices: Slices, verdict: Verdict) -> None:
        self._name = name
        self._slices = slices
        self._verdict = verdict

    async def carry_out(self, known: Known, step: Call) -> Answer:
        try:
            return Answer(await self._learn(known, step))
        except SidecarError as error:
            failure = _failure_of(error)
            return Answer(failed(known, step, failure), failure, error)

    async def _learn(self, known: Known, step: Call) -> Known:
        match step:
            case ReadSlices():
                mine, strangers = await self._slices.find(cached=step.cached)
                return learned_slices(known, step, mine, strangers)
            case ReadTarget():
                return learned_target(known, await self._aim(known.uid))
            case Write():
                return learned_write(known, await self._slices.replace(step.slice, step.by))
            case CheckMine():
                return learned_mine(known, step, mine=await self._verdict.still_mine())

    async def _aim(self, uid: str) -> Target:
        service, place = await self._slices.service(), await self._slices.place(self._name)
        if place.uid != uid:
            raise PodGone(f"pod {self._name} is another by now: {place.uid}, not {uid}")
        target = aim(service, place)
        if not target.endpoints:
            raise KubeUnavailable(f"pod {self._name} has no address yet of a family that the Service has")
        return target


def _failure_of(error: SidecarError) -> Failure:
    match error:
        case KubeConflict():
            return Failure.CONFLICT
        case PodGone():
            return Failure.GONE
        case KubeForbidden() | KubeUnauthorized() | ServiceMissing():
            return Failure.REFUSED
        case _:
            return Failure.LOST
