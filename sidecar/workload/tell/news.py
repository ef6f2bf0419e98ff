"""Which transition is news for the workload's webhooks. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.election.verdict import State, Transition, View


class What(StrEnum):
    """Also the ``event`` in the body."""

    ELECTED = "elected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class News:
    """``token`` is the leadership's; None for one of which only an earlier run knew."""

    what: What
    token: int | None


def news_of(transition: Transition) -> News | None:
    """What there is to tell of a transition."""
    if transition.to_state is State.LEADING:
        return News(What.ELECTED, transition.token)
    if transition.from_state is State.LEADING:
        return News(What.LOST, transition.token)
    return None


def news_at_start(view: View) -> News | None:
    """What there is to tell while nothing has been told since this process began: that another leads.

    An earlier run may have died after it told of a lead, and the workload outlived it. Not before another is known to
    lead: a run that takes the earlier one's place goes on with its lead.
    """
    out = view.state in (State.WAITING, State.STANDING_OUT)
    return News(What.LOST, None) if out and view.leader is not None else None
