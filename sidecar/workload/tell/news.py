"""Which transition is news for the workload's webhooks. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.election.verdict import State, Transition


class What(StrEnum):
    """Also the ``event`` in the body."""

    ELECTED = "elected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class News:
    """``token`` is the leadership's; None for one that an earlier run may have told of."""

    what: What
    token: int | None


def news_of(transition: Transition, *, first: bool) -> News | None:
    """What there is to tell of a transition; ``first`` while nothing has been told since this process began.

    An earlier run may have died after it told of a lead: a workload that outlived it is told as soon as it is known
    that this run waits for its turn.
    """
    if transition.to_state is State.LEADING:
        return News(What.ELECTED, transition.token)
    if transition.from_state is State.LEADING:
        return News(What.LOST, transition.token)
    if first and transition.to_state is State.WAITING:
        return News(What.LOST, None)
    return None
