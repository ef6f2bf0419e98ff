"""What the router tells people: log lines once per change, metrics, and the Event ``RouteBlocked``."""

import logging

from sidecar.election.label import Failure
from sidecar.election.route import Call, Hold, Known, Write
from sidecar.election.route_scheme import slice_name
from sidecar.errors import KubeError
from sidecar.kube.port import PodEvent
from sidecar.metrics import Metrics
from sidecar.router.calls import Answer
from sidecar.router.port import Announcer

_LOG = logging.getLogger(__name__)


class Report:
    def __init__(self, election: str, service: str, metrics: Metrics, announcer: Announcer) -> None:
        self._election, self._service = election, service
        self._metrics = metrics
        self._announcer = announcer
        self._trouble: dict[type[Call], str] = {}
        self._higher: tuple[str, int, bool] | None = None
        self._strangers: tuple[str, ...] = ()
        self._unresolved: tuple[str, ...] = ()

    def note(self, step: Call, answer: Answer) -> None:
        """A call has ended."""
        if isinstance(step, Write):
            result = "accepted" if answer.failure is None else str(answer.failure)
            self._metrics.route_writes.labels(self._election, result).inc()
            if answer.failure is None:
                self._written(step)
        if isinstance(answer.error, KubeError):
            self._metrics.failures.labels(answer.error.kind).inc()
        if answer.failure is None:
            self._found(answer.known)
            if self._trouble.pop(type(step), None) is not None:
                _LOG.info("The route of Service %s: the Kubernetes API serves it again", self._service)
        elif answer.failure in (Failure.LOST, Failure.REFUSED):
            self._say_trouble(step, answer)

    def higher_token(self, hold: Hold) -> None:
        """A slice bears a higher token than this pod's."""
        found = hold.slice
        name = slice_name(self._service, found.family)
        met = (name, found.token, hold.alarm)
        if met == self._higher:
            return
        self._higher = met
        self._metrics.route_conflicts.labels(self._election).inc()
        if not hold.alarm:
            _LOG.info("EndpointSlice %s bears the higher token %s", name, found.token)
            return
        self._metrics.history_alarms.inc()
        pods = ", ".join(each.pod or each.address for each in found.endpoints)
        self._blocked(
            f"EndpointSlice {name} names {pods} with token {found.token}, which is higher than this leader's: etcd's"
            " history went back. That pod's own sidecar puts it right; if it has none any more, delete the"
            " EndpointSlice: this leader makes it anew"
        )

    def gone(self) -> None:
        _LOG.error("The pod that this sidecar acts for is gone: no route of Service %s is written", self._service)

    def _written(self, step: Write) -> None:
        name = slice_name(self._service, step.by.family)
        if step.by.token < step.slice.token:
            self._metrics.history_alarms.inc()
            _LOG.error("EndpointSlice %s had token %s: etcd's history went back", name, step.slice.token)
        self._higher = None
        if step.names_me:
            _LOG.info("EndpointSlice %s names this pod, with token %s", name, step.by.token)
        else:
            _LOG.info("EndpointSlice %s names nobody", name)

    def _found(self, known: Known) -> None:
        if known.strangers and known.strangers != self._strangers:
            self._metrics.route_conflicts.labels(self._election).inc()
            why = "it has a selector" if known.target and known.target.has_selector else "somebody else keeps them"
            self._blocked(
                f"Service {self._service} has other EndpointSlices ({why}): {', '.join(known.strangers)}. They are not"
                " touched, and the Service routes to what they name as well"
            )
        self._strangers = known.strangers
        unresolved = known.target.unresolved if known.target else ()
        if unresolved and unresolved != self._unresolved:
            self._blocked(
                f"Service {self._service} has target ports that no container of this pod names:"
                f" {', '.join(unresolved)}. They are left out"
            )
        self._unresolved = unresolved

    def _say_trouble(self, step: Call, answer: Answer) -> None:
        text = str(answer.error)
        # Texts of network errors differ each time: for those, once is enough until a call succeeds.
        trouble = text if answer.failure is Failure.REFUSED else Failure.LOST
        if self._trouble.get(type(step)) == trouble:
            return
        self._trouble[type(step)] = trouble
        if answer.failure is not Failure.REFUSED:
            _LOG.warning("The route of Service %s has to wait: %s", self._service, text)
            return
        self._blocked(
            f"the route of election {self._election} cannot be kept: {text}. Leadership stands. --route needs the"
            " rights of ClusterRole leader-sidecar:route, and a Service without a selector"
        )

    def _blocked(self, text: str) -> None:
        _LOG.warning("%s", text)
        self._announcer.say(PodEvent("RouteBlocked", text, warning=True))
