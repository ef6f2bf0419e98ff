"""Findings about readiness that only the leader has: rollouts stall, and drains hang. What was tried: docs/check.md."""

import re
from collections.abc import Iterable, Iterator

from sidecar.check.finding import Finding, Id, error, warning
from sidecar.check.manifests.container import port_number
from sidecar.check.manifests.quantity import count
from sidecar.check.manifests.shape import Object, inside, mapping, objects, texts
from sidecar.check.manifests.workload import Workload

_GATE = "leader-sidecar/"
_MEND = "route by the label instead (a Service that selects it), and take out the {gate}"


def findings(workload: Workload, manifests: Iterable[Object]) -> Iterator[Finding]:
    gate = leader_only(workload)
    if gate is None:
        return
    yield from rollout(workload, gate)
    for manifest in manifests:
        if manifest.get("kind") == "PodDisruptionBudget" and _covers(manifest, workload):
            yield from budget(workload, manifest, gate)


def of_a_pod(workload: Workload) -> Iterator[Finding]:
    """Of a pod that runs: what made it is not known."""
    gate = leader_only(workload)
    if gate is not None:
        what = f"only the leader is ready ({gate}): with several replicas rollouts stall and drains hang"
        yield _incomplete_of(workload, what, gate)


def leader_only(workload: Workload) -> str | None:
    """What makes the leader's pod alone ready; None where nothing does."""
    for gate in objects(workload.spec.get("readinessGates")):
        if str(gate.get("conditionType", "")).startswith(_GATE):
            return f"readiness gate {gate['conditionType']}"
    ports = _leader_ports(workload)
    for container in objects(workload.spec.get("containers")) + objects(workload.spec.get("initContainers")):
        if _asks_for_leader(container, workload, ports):
            return f"readinessProbe of container {container.get('name', '?')} on /leader"
    return None


def rollout(workload: Workload, gate: str) -> Iterator[Finding]:
    decide = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}.get(workload.kind)
    if decide is not None:
        yield from decide(workload, gate)


def budget(workload: Workload, manifest: Object, gate: str) -> Iterator[Finding]:
    """With one pod ready, a budget that asks for one allows nobody to be evicted."""
    replicas, spec = workload.replicas, mapping(manifest.get("spec"))
    if replicas is None:
        return
    least = count(spec.get("minAvailable"), replicas, round_up=True)
    if least is None:
        unavailable = count(spec.get("maxUnavailable"), replicas, round_up=True)
        least = None if unavailable is None else replicas - unavailable
    if least is None or least < 1:
        return
    who = "the leader" if least == 1 else "nobody"
    verb = "cannot be evicted" if least == 1 else "can be evicted"
    what = f"asks for {least} ready while one pod is ({gate}): {who} {verb}, and a drain of its node hangs"
    where = f"PodDisruptionBudget {inside(manifest, 'metadata').get('name', '?')}"
    yield error(Id.PDB_BLOCKS, where, what, _MEND.format(gate=gate))


def _deployment(workload: Workload, gate: str) -> Iterator[Finding]:
    replicas, strategy = workload.replicas, inside(workload.owner, "strategy")
    if replicas is None or replicas < 1:
        return
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = inside(strategy, "rollingUpdate")
        unavailable = count(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
        surge = count(rolling.get("maxSurge", "25%"), replicas, round_up=True)
        if unavailable is None or surge is None:
            return
        if not unavailable and not surge:
            unavailable = 1  # Kubernetes' own rule: one of the two must move
        if unavailable < (replicas - 1 if workload.told.value("follow_rollout") else replicas):
            what = f"only the leader is ready ({gate}): a rolling update that lets {unavailable} of {replicas} be away"
            yield _stalls(workload, f"{what} keeps the old leader for ever", gate, "or use strategy Recreate")
            return
    if replicas > 1:
        yield _incomplete(workload, gate)


def _stateful_set(workload: Workload, gate: str) -> Iterator[Finding]:
    replicas = workload.replicas
    if replicas is None or replicas < 2:
        return
    if workload.owner.get("podManagementPolicy", "OrderedReady") == "OrderedReady":
        what = f"only the leader is ready ({gate}): the pods after the first that is not are never made"
        yield _stalls(workload, what, gate, "and podManagementPolicy Parallel does not help either: updates stop")
    elif inside(workload.owner, "updateStrategy").get("type", "RollingUpdate") == "RollingUpdate":
        what = f"only the leader is ready ({gate}): an update stops after the first pod"
        yield _stalls(workload, what, gate, "or use updateStrategy OnDelete")
    else:
        yield _incomplete(workload, gate)


def _daemon_set(workload: Workload, gate: str) -> Iterator[Finding]:
    strategy = inside(workload.owner, "updateStrategy")
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    if inside(strategy, "rollingUpdate").get("maxUnavailable") == "100%":
        return
    what = f"only the leader is ready ({gate}): a rolling update never gets to the leader's node"
    yield _stalls(workload, what, gate, "or use updateStrategy OnDelete")


def _stalls(workload: Workload, what: str, gate: str, otherwise: str) -> Finding:
    return error(Id.READINESS_STALLS, workload.where, what, f"{_MEND.format(gate=gate)}; {otherwise}")


def _incomplete(workload: Workload, gate: str) -> Finding:
    what = f"only the leader is ready ({gate}): rollouts go through, and never count as complete"
    return _incomplete_of(workload, what, gate)


def _incomplete_of(workload: Workload, what: str, gate: str) -> Finding:
    return warning(Id.READINESS_NEVER_COMPLETE, workload.where, what, _MEND.format(gate=gate))


def _leader_ports(workload: Workload) -> set[int]:
    addresses = (workload.told.value("listen"), workload.told.value("probe_listen"))
    return {int(str(address).rpartition(":")[2]) for address in addresses if address}


def _asks_for_leader(container: Object, workload: Workload, ports: set[int]) -> bool:
    probe = mapping(container.get("readinessProbe"))
    http = inside(probe, "httpGet")
    if http:
        named = port_number(workload.container or {}, http.get("port"))
        asked = port_number(container, http.get("port")) or named
        return _path(str(http.get("path", ""))) == "/leader" and asked in ports
    command = " ".join(texts(inside(probe, "exec").get("command")))
    return any(re.search(rf":{port}/leader(?![\w/])", command) for port in ports)


def _path(path: str) -> str:
    return path.partition("?")[0].rstrip("/")


def _covers(budget: Object, workload: Workload) -> bool:
    """Whether a budget is for these pods, as far as ``matchLabels`` tell."""
    space = str(inside(budget, "metadata").get("namespace") or "")
    wanted = inside(budget, "spec", "selector", "matchLabels")
    same = {key: workload.labels.get(key) for key in wanted} == dict(wanted)
    return bool(wanted) and same and space == workload.namespace
