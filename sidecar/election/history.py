"""Whether an answer of etcd belongs to the history seen so far. One that does not means assumption (c) is broken."""

from dataclasses import dataclass
from enum import Enum

from sidecar.election.queue import Header


class Fit(Enum):
    FITS = "fits"
    WENT_BACK = "went back"
    OUTDATED = "outdated"
    """Asked before history was found to have gone back: it may speak of either history, so it counts for nothing."""


@dataclass(frozen=True, slots=True)
class History:
    """What etcd has shown: its cluster id (0: none yet) and the highest revision of a linearizable answer.

    ``epoch`` counts how often history was found to have gone back.
    """

    cluster_id: int = 0
    revision: int = 0
    epoch: int = 0


def judge(seen: History, at_send: History, header: Header, *, linearizable: bool) -> tuple[Fit, History]:
    """Hold one answer against ``seen``; ``at_send`` is what had been seen when its request was sent.

    Answers may overtake one another, so a linearizable one must only reach the revision known at its sending. Others
    (keepalive, grant, watch) bear a member's local revision, which may lag: only their cluster id counts. The second
    value is what has been seen from now on; after WENT_BACK that is the new history.
    """
    if at_send.epoch != seen.epoch:
        return Fit.OUTDATED, seen
    revision = header.revision if linearizable else 0
    another_cluster = seen.cluster_id not in (0, header.cluster_id)
    if another_cluster or (linearizable and revision < at_send.revision):
        return Fit.WENT_BACK, History(header.cluster_id, revision, seen.epoch + 1)
    return Fit.FITS, History(header.cluster_id, max(seen.revision, revision), seen.epoch)
