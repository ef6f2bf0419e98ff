"""Events: which transition becomes which, and that they are in nobody's way."""

import asyncio
import logging

import pytest

from sidecar.election.verdict import Reason, State, Transition
from sidecar.errors import KubeForbidden
from sidecar.kube.port import PodEvent
from sidecar.labeler.announcer import Announcer, event_of
from tests.support.pods import FakePods


def transition(reason: Reason | None) -> Transition:
    return Transition(0.0, State.WAITING, State.LEADING, reason, 5, 1.0)


@pytest.mark.parametrize(
    ("reason", "name", "warning"),
    [
        (Reason.ELECTED, "LeaderElected", False),
        (Reason.REGAINED, "LeaderElected", False),
        (Reason.RESIGNED, "LeaderResigned", False),
        (Reason.TRANSFERRED, "LeaderResigned", False),
        (Reason.TERMINATED, "LeaderResigned", False),
        (Reason.EXPIRED, "LeaderLost", True),
        (Reason.LEASE_LOST, "LeaderLost", True),
        (Reason.KEY_LOST, "LeaderLost", True),
        (Reason.HISTORY, "LeaderLost", True),
        (Reason.UNHEALTHY, "LeaderLost", True),
        (Reason.HOLD_CLOSED, "LeaderLost", True),
        (Reason.POD_GONE, "LeaderLost", True),
    ],
)
def test_each_reason_has_its_event(reason: Reason, name: str, *, warning: bool) -> None:
    event = event_of("e", transition(reason))
    assert event is not None
    assert (event.reason, event.warning) == (name, warning)


def test_a_transition_without_a_reason_is_no_news() -> None:
    assert event_of("e", transition(None)) is None


@pytest.mark.looptime
async def test_events_that_are_refused_are_said_once_and_do_not_pile_up(caplog: pytest.LogCaptureFixture) -> None:
    pods = FakePods("k")
    pods.hanging = {"announce"}
    announcer = Announcer(pods, "me", "uid-me")
    task = asyncio.create_task(announcer.run())
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            announcer.say(PodEvent("LeaderElected", str(number), warning=False))
            await asyncio.sleep(0)
        pods.away = KubeForbidden("POST events: 403")
        pods.release.set()
        await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert len(pods.calls) <= 17
    assert len(caplog.records) == 1
