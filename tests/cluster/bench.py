"""How soon the leader's Service shows the new leader alone: ``python -m tests.cluster.bench [--rounds N]``.

Without a node: sidecars are processes, pods have no containers, and the real controller makes the EndpointSlice. From
what ends the old leader (for a native sidecar SIGTERM, once its pod terminates; SIGKILL, less the TTL; a resign) until
the slice holds the new one and nobody else. A lease that was renewed a while ago ends sooner: less the TTL may be less
than nothing. Measures, asserts nothing.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.group import Candidate, PodGroup
from tests.cluster.watch import ServiceWatch
from tests.support.children import Child, Deadline
from tests.support.controlplane import ControlPlane, control_plane
from tests.support.etcd import Cluster, Programs, running
from tests.support.policy import apply_policy
from tests.support.tools import etcd_binary, etcdctl_binary, etcdutl_binary, kube_controller_manager_binary

APART_SECONDS = 2.0
_NOT_WITHIN_SECONDS = 60.0


def delete(leader: Candidate, group: PodGroup) -> None:
    """Kubelet tells a native sidecar once the workload has ended."""
    group.plane.delete_pod(group.namespace, leader.name, grace_seconds=3600)
    time.sleep(APART_SECONDS)  # that the pod terminates is a change of the slice, too


def come_back(leader: Candidate, group: PodGroup) -> None:
    leader.sidecar.kill()
    group.plane.delete_pod(group.namespace, leader.name)
    leader.create()
    leader.sidecar.start()


def restart(leader: Candidate, _: PodGroup) -> None:
    leader.sidecar.start()


def nothing(*_: object) -> None:
    """Neither before nor after."""


Step = Callable[[Candidate, PodGroup], None]
WAYS: dict[str, tuple[Sequence[str], Step, Callable[[Candidate], object], Step, bool]] = {
    "deleted": (["--native"], delete, lambda leader: leader.sidecar.terminate(), come_back, False),
    "killed_minus_ttl": ([], nothing, lambda leader: leader.sidecar.kill(), restart, True),
    "resigned": ([], nothing, lambda leader: leader.sidecar.resign(), nothing, False),
}
"""Flags, what comes before, what is timed from its beginning, what puts the group in order, and less the TTL or not."""


def one_ms(group: PodGroup, service: ServiceWatch, way: str) -> float:
    _, before, act, after, _ = WAYS[way]
    leader = group.settle()
    group.play_kubelet()
    service.wait_for((leader.name,))
    time.sleep(APART_SECONDS)
    before(leader, group)
    begun = time.monotonic()
    act(leader)
    deadline, at = Deadline(_NOT_WITHIN_SECONDS, poll_seconds=0.005), None
    while at is None and deadline.goes_on():
        others = {(other.name,) for other in group.others(leader)}
        at = next((state.at for state in service.seen() if state.at > begun and state.pods in others), None)
    if at is None:
        raise AssertionError(f"the Service does not follow:\n{group.logs()}")
    after(leader, group)
    return (at - begun) * 1000


def measure(plane: ControlPlane, etcd: Cluster, folder: Path, way: str, rounds: int) -> dict[str, object]:
    flags, *_, less_ttl = WAYS[way]
    with PodGroup(plane, etcd, folder, flags=flags) as group:
        group.play_kubelet()
        group.create_service("leader", "leader")
        with ServiceWatch(plane, group.namespace, "leader") as service:
            less_ms = group.ttl_seconds * 1000 if less_ttl else 0
            all_ms = sorted(round(one_ms(group, service, way) - less_ms) for _ in range(rounds))
        group.watch.forget()
    return {"p50_ms": statistics.median(all_ms), "all_ms": all_ms}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.bench")
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    programs = Programs(etcd_binary("3.6"), etcdctl_binary("3.6"), etcdutl_binary("3.6"))
    report = {}
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="bench-cluster-")))
        plane = started.enter_context(control_plane())
        apply_policy(plane, labels=[])
        command: list[str | Path] = [
            kube_controller_manager_binary(),
            f"--kubeconfig={plane.admin_kubeconfig}",
            "--secure-port=0",
            "--leader-elect=false",
            "--controllers=endpointslice-controller",
        ]
        started.enter_context(Child("kube-controller-manager", command, folder / "controllers.log"))
        etcd = started.enter_context(running(Cluster(folder / "etcd", programs=programs)))
        for way in WAYS:
            place = folder / way
            place.mkdir()
            report[way] = measure(plane, etcd, place, way, asked.rounds)
    sys.stdout.write(json.dumps({"until_the_slice_shows_the_new_leader_alone": report}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
