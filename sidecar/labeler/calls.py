"""Carries out one step of ``sidecar.election.label`` and says what was learned by it. Decides nothing."""

from dataclasses import dataclass

from sidecar.election.label import (
    Call,
    CheckMine,
    Failure,
    Known,
    ListPeers,
    ReadOwn,
    Rules,
    Strip,
    WriteOwn,
    failed,
    learned_mine,
    learned_own,
    learned_peers,
    learned_strip,
)
from sidecar.election.label_scheme import (
    Changes,
    Pod,
    extra_selector,
    leading_selector,
    own_changes,
    read_pod,
    strip_changes,
)
from sidecar.errors import KubeConflict, KubeForbidden, KubeUnauthorized, PodGone, SidecarError
from sidecar.kube.port import PodMeta, Pods
from sidecar.labeler.port import Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known after a call; with ``failure`` and ``error`` where it failed."""

    known: Known
    failure: Failure | None = None
    error: SidecarError | None = None


class Caller:
    """Speaks for the pod ``name`` of one election."""

    def __init__(self, rules: Rules, name: str, pods: Pods, verdict: Verdict) -> None:
        self._rules = rules
        self._scheme = rules.scheme
        self._name = name
        self._pods = pods
        self._verdict = verdict

    async def carry_out(self, known: Known, step: Call) -> Answer:
        try:
            return Answer(await self._learn(known, step))
        except SidecarError as error:
            failure = _failure_of(error)
            return Answer(failed(known, step, failure), failure, error)

    async def _learn(self, known: Known, step: Call) -> Known:
        match step:
            case ReadOwn():
                return learned_own(known, step, self._seen(await self._pods.read(self._name, cached=step.cached)))
            case WriteOwn():
                changes = own_changes(self._scheme, step.role, step.token)
                return learned_own(known, step, await self._patch(step.pod, changes))
            case ListPeers():
                return learned_peers(self._rules, known, step, await self._list(cached=step.cached))
            case Strip():
                await self._patch(step.pod, strip_changes(self._scheme, step.pod, step.token))
                return learned_strip(known, step)
            case CheckMine():
                return learned_mine(known, mine=await self._verdict.still_mine())

    async def _list(self, *, cached: bool) -> tuple[Pod, ...]:
        found = list(await self._pods.select(leading_selector(self._scheme), cached=cached))
        if cached and self._scheme.extra is not None:
            seen = {pod.uid for pod in found}
            more = await self._pods.select(extra_selector(self._scheme.extra), cached=True)
            found += [pod for pod in more if pod.uid not in seen]
        return tuple(self._seen(pod) for pod in sorted(found, key=lambda pod: pod.name))

    async def _patch(self, pod: Pod, changes: Changes) -> Pod:
        return self._seen(
            await self._pods.patch(
                pod.name, uid=pod.uid, version=pod.version, labels=changes.labels, annotations=changes.annotations
            )
        )

    def _seen(self, meta: PodMeta) -> Pod:
        return read_pod(
            self._scheme,
            name=meta.name,
            uid=meta.uid,
            version=meta.version,
            labels=meta.labels,
            annotations=meta.annotations,
            terminating=meta.terminating,
        )


def _failure_of(error: SidecarError) -> Failure:
    match error:
        case KubeConflict():
            return Failure.CONFLICT
        case PodGone():
            return Failure.GONE
        case KubeForbidden() | KubeUnauthorized():
            return Failure.REFUSED
        case _:
            return Failure.LOST
