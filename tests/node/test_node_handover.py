"""Three injected pods on a real node, a user of the leader's Service, and everything that can befall a leader."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node import group
from tests.node.client import Client
from tests.node.judge import longest_gap, went_back
from tests.tools.node.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

EXPIRY_SECONDS = group.TTL_SECONDS + 0.5


def judge(client: Client, what: str, record: Callable[[str, object], None], *, at_most_seconds: float) -> None:
    """Tokens never go back, and the leader's Service has an answer again within the bound."""
    assert went_back(client.answers) == []
    gap = longest_gap(client.answers)
    record("gap_ms", round(gap.seconds * 1000))
    record("lost", gap.lost)
    print(f"{what}: {gap.seconds * 1000:.0f} ms without a leader's answer, {gap.lost} requests lost")
    assert gap.seconds < at_most_seconds


def wait_for_another(client: Client, than: str) -> None:
    wait_until(lambda: client.led()[-1].pod != than, 60, f"an answer by another than {than}")
    settle(client)


def settle(client: Client) -> None:
    seen = len(client.led())
    wait_until(lambda: len(client.led()) > seen + 50, 60, "fifty more answers by a leader")


def test_a_deleted_leader_is_followed_long_before_its_lease_would_expire(
    leader: str, client: Client, record_property: Callable[[str, object], None]
) -> None:
    settle(client)
    group.delete(leader)
    wait_for_another(client, leader)
    judge(client, "pod deleted", record_property, at_most_seconds=group.TTL_SECONDS)


def test_a_killed_leader_is_followed_once_its_lease_expires(
    leader: str, client: Client, record_property: Callable[[str, object], None]
) -> None:
    settle(client)
    # nobody to say goodbye: the sidecar stands still for good, and the workload dies
    sidecar = group.send(leader, group.SIDECAR, signal.SIGSTOP)
    group.send(leader, group.WORKLOAD, signal.SIGKILL)
    wait_for_another(client, leader)
    os.kill(sidecar, signal.SIGKILL)
    judge(client, "leader killed", record_property, at_most_seconds=EXPIRY_SECONDS + 4)


def test_a_killed_sidecar_costs_at_most_one_handover(
    leader: str, client: Client, record_property: Callable[[str, object], None]
) -> None:
    settle(client)
    killed = time.monotonic()
    group.send(leader, group.SIDECAR, signal.SIGKILL)
    time.sleep(EXPIRY_SECONDS)  # its lease is over, or it has resumed
    wait_until(lambda: client.led()[-1].sent > killed + EXPIRY_SECONDS, 60, "a leader after the lease's end")
    settle(client)
    judge(client, "sidecar killed", record_property, at_most_seconds=EXPIRY_SECONDS + 4)


def test_a_frozen_sidecar_is_followed_and_leads_no_more_when_it_thaws(
    leader: str, client: Client, record_property: Callable[[str, object], None]
) -> None:
    settle(client)
    sidecar = group.send(leader, group.SIDECAR, signal.SIGSTOP)
    try:
        wait_for_another(client, leader)
    finally:
        os.kill(sidecar, signal.SIGCONT)
    time.sleep(2)  # for what the thawed one may say
    settle(client)
    judge(client, "sidecar frozen", record_property, at_most_seconds=EXPIRY_SECONDS + 4)


def test_a_rollout_moves_the_lead_without_waiting_for_a_lease(
    leader: str, client: Client, record_property: Callable[[str, object], None]
) -> None:
    settle(client)
    group.kubectl("rollout", "restart", group.LABELLED.owner, f"-n={group.NAMESPACE}")
    group.wait_for_rollout()
    wait_for_another(client, leader)
    judge(client, "rollout", record_property, at_most_seconds=group.TTL_SECONDS)


def test_the_native_sidecar_ends_after_its_workload(leader: str) -> None:
    workload, sidecar = (Path(f"/proc/{group.pid_of(leader, name)}") for name in (group.WORKLOAD, group.SIDECAR))
    group.delete(leader)
    ended: dict[str, float] = {}

    def both() -> bool:
        for name, process in (("workload", workload), ("sidecar", sidecar)):
            if name not in ended and not process.exists():
                ended[name] = time.monotonic()
        return len(ended) == 2

    wait_until(both, 60, "the end of both containers", 0.001)
    assert ended["sidecar"] > ended["workload"]
    print(f"the sidecar ended {(ended['sidecar'] - ended['workload']) * 1000:.0f} ms after its workload")
