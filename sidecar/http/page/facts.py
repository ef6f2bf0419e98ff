"""What the page shows, taken together at one instant."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.clock import Clock
from sidecar.election.queue import LockKey
from sidecar.election.verdict import Transition, View
from sidecar.errors import EtcdError
from sidecar.http.port import Election, Health

QUEUE_SECONDS = 1.0
"""How long the page waits for the queue: without etcd it shows the rest."""


@dataclass(frozen=True, slots=True)
class Facts:
    """``now`` is CLOCK_BOOTTIME, ``wall`` seconds since the epoch, both of the same instant as ``view``.

    ``queue`` is None where etcd gave none, and ``queue_trouble`` says why. ``ill``, ``unready`` and ``out_of_sync`` are
    reasons, None where there are none; ``label_in_sync`` is None where there is no label.
    """

    view: View
    now: float
    wall: float
    lock: str
    queue: Sequence[LockKey] | None
    queue_trouble: str
    history: Sequence[Transition]
    ill: str | None
    unready: str | None
    out_of_sync: str | None
    label_in_sync: bool | None


async def gather(election: Election, health: Health, clock: Clock) -> Facts:
    """The queue first, since it is waited for: all else is then of one instant. Promises nothing."""
    queue, trouble = await _queue(election)
    return Facts(
        view=election.view(),
        now=clock.now(),
        wall=clock.wall(),
        lock=election.lock,
        queue=queue,
        queue_trouble=trouble,
        history=election.history(),
        ill=health.wedged(),
        unready=health.unready(strict=False),
        out_of_sync=health.unready(strict=True),
        label_in_sync=health.label_in_sync(),
    )


async def _queue(election: Election) -> tuple[Sequence[LockKey] | None, str]:
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            return (await election.candidates())[1], ""
    except TimeoutError:
        return None, "etcd does not answer in time"
    except EtcdError as error:
        return None, str(error)
