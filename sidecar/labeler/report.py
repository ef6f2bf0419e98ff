"""What the labeler tells people: log lines once per change, metrics, and the Event ``LabelBlocked``."""

import logging

from sidecar.election.label import Call, Failure, Hold, Strip, WriteOwn
from sidecar.errors import KubeError
from sidecar.kube.port import PodEvent
from sidecar.labeler.announcer import Announcer
from sidecar.labeler.calls import Answer
from sidecar.metrics import Metrics

_LOG = logging.getLogger(__name__)


class Report:
    def __init__(self, election: str, metrics: Metrics, announcer: Announcer) -> None:
        self._election = election
        self._metrics = metrics
        self._announcer = announcer
        self._trouble: dict[type[Call], str] = {}
        self._higher: tuple[str, int, bool] | None = None
        self._foreign: tuple[str, ...] = ()

    def note(self, step: Call, answer: Answer) -> None:
        """A call has ended."""
        if isinstance(step, WriteOwn | Strip):
            result = "accepted" if answer.failure is None else str(answer.failure)
            self._metrics.label_writes.labels(self._election, result).inc()
            if answer.failure is None:
                self._written(step)
        if isinstance(answer.error, KubeError):
            self._metrics.failures.labels(answer.error.kind).inc()
        if answer.failure is None:
            if self._trouble.pop(type(step), None) is not None:
                _LOG.info("The pod label of %s: the Kubernetes API serves it again", self._election)
        elif answer.failure in (Failure.LOST, Failure.REFUSED):
            self._say_trouble(step, answer)

    def higher_token(self, hold: Hold) -> None:
        """A peer bears a higher token than this pod's."""
        token = max(hold.peer.token, hold.peer.extra_token)
        met = (hold.peer.uid, token, hold.alarm)
        if met == self._higher:
            return
        self._higher = met
        self._metrics.label_conflicts.labels(self._election).inc()
        if not hold.alarm:
            _LOG.info("Pod %s bears the label of %s with the higher token %s", hold.peer.name, self._election, token)
            return
        self._metrics.history_alarms.inc()
        text = (
            f"Pod {hold.peer.name} bears the label of {self._election} with token {token}, which is higher than this"
            " leader's: etcd's history went back. Its own sidecar puts that right; if it has none, its label stands"
            " until the pod is deleted, and no label is written here"
        )
        _LOG.error("%s", text)
        self._announcer.say(PodEvent("LabelBlocked", text, warning=True))

    def foreign(self, names: tuple[str, ...]) -> None:
        """Pods that bear the user's label without being in the election."""
        if names and names != self._foreign:
            self._metrics.label_conflicts.labels(self._election).inc()
            _LOG.warning("Not in election %s but labelled as its leader: %s", self._election, ", ".join(names))
        self._foreign = names

    def gone(self) -> None:
        _LOG.error("The pod that this sidecar acts for is gone: it resigns from %s and stands out", self._election)

    def _written(self, step: WriteOwn | Strip) -> None:
        if isinstance(step, Strip):
            self._higher = None
            _LOG.info("Took the label of %s off pod %s", self._election, step.pod.name)
        else:
            _LOG.info("The pod label of %s says %s", self._election, step.role)

    def _say_trouble(self, step: Call, answer: Answer) -> None:
        text = str(answer.error)
        # Texts of network errors differ each time: for those, once is enough until a call succeeds.
        trouble = text if answer.failure is Failure.REFUSED else Failure.LOST
        if self._trouble.get(type(step)) == trouble:
            return
        self._trouble[type(step)] = trouble
        if answer.failure is not Failure.REFUSED:
            _LOG.warning("The pod label of %s has to wait: %s", self._election, text)
            return
        advice = (
            f"the label of election {self._election} cannot be kept: {text}. Leadership stands. The service account"
            " needs the rights of ClusterRole leader-sidecar:candidate (pods: get, list, patch), by a token that is"
            " bound to this pod"
        )
        _LOG.warning("%s", advice)
        self._announcer.say(PodEvent("LabelBlocked", advice, warning=True))
