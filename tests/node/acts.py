"""What moves the lead of a group: each takes the group and its leader's pod, and returns when (monotonic seconds)."""

import os
import signal
import time

from tests.node import group
from tests.node.names import Group


def delete(_: Group, leader: str) -> float:
    at = time.monotonic()
    group.delete(leader)
    return at


def kill(_: Group, leader: str) -> float:
    """The workload dies, and the sidecar cannot say goodbye; what is left of it is ended once its lease is over."""
    sidecar = group.send(leader, group.SIDECAR, signal.SIGSTOP)  # or kubelet would start it again within the TTL
    group.send(leader, group.WORKLOAD, signal.SIGKILL)
    at = time.monotonic()
    time.sleep(group.TTL_SECONDS + 1)
    os.kill(sidecar, signal.SIGKILL)
    return at


def resign(_: Group, leader: str) -> float:
    return group.give_up(leader)


def transfer(of: Group, leader: str) -> float:
    return group.transfer(leader, another(of, leader))


def another(of: Group, leader: str) -> str:
    """One of the pods that do not lead."""
    names: list[str] = [pod["metadata"]["name"] for pod in group.pods(of)]
    return next(name for name in names if name != leader)


def roll_out(of: Group) -> None:
    """Begins it."""
    group.kubectl("rollout", "restart", of.owner, f"-n={group.NAMESPACE}")


def roll_back(of: Group) -> None:
    """Begins it."""
    group.kubectl("rollout", "undo", of.owner, f"-n={group.NAMESPACE}")
