"""Every metric, declared once, in a registry of its own. Names and units follow Prometheus' conventions.

Whoever measures calls the attribute named here; what can be computed (leader or not, validity left) is computed when
scraped, by the functions handed to ``watch``.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

_ROUND_TRIP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_HANDOVER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)


class Metrics:
    """One sidecar's metrics. Label ``election`` is set where a metric has one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        prefix = "leader_sidecar_"
        self.is_leader = Gauge(
            prefix + "is_leader", "1 while this pod leads, else 0.", ["election"], registry=self.registry
        )
        self.master_status = Gauge(
            "leader_election_master_status",
            "1 while this pod leads, else 0 (client-go's name).",
            ["name"],
            registry=self.registry,
        )
        self.token = Gauge(
            prefix + "token", "Fencing token of the leadership held, else 0.", ["election"], registry=self.registry
        )
        self.validity = Gauge(
            prefix + "validity_seconds",
            "How long the leadership still holds without a renewal.",
            ["election"],
            registry=self.registry,
        )
        self.queue_position = Gauge(
            prefix + "queue_position",
            "Place in the queue at the last read, 1 the first, 0 unknown.",
            ["election"],
            registry=self.registry,
        )
        self.transitions = Counter(
            prefix + "transitions",
            "Leaderships begun and ended, by reason.",
            ["election", "reason"],
            registry=self.registry,
        )
        self.unconfirmed_renewals = Counter(
            prefix + "unconfirmed_renewals",
            "Renewals that no linearizable read confirmed.",
            ["election"],
            registry=self.registry,
        )
        self.handover = Histogram(
            prefix + "handover_seconds",
            "From the moment this pod saw the leader go to its own leadership.",
            ["election"],
            buckets=_HANDOVER_SECONDS,
            registry=self.registry,
        )
        self.keys_without_lease = Gauge(
            prefix + "first_key_without_lease",
            "1 while the first key has no lease: nobody can win.",
            ["election"],
            registry=self.registry,
        )
        self.keys_ignored = Gauge(
            prefix + "ignored_keys",
            "Keys below the lock that no candidate can have.",
            ["election"],
            registry=self.registry,
        )
        self.holding_off = Gauge(
            prefix + "holding_off",
            "1 while this pod stands first and waits for the end of the leadership before, else 0.",
            ["election"],
            registry=self.registry,
        )
        self.keepalive = Histogram(
            prefix + "keepalive_seconds",
            "Round trip of a lease keepalive.",
            buckets=_ROUND_TRIP_SECONDS,
            registry=self.registry,
        )
        self.failures = Counter(
            prefix + "failures", "Failed calls, by kind of error.", ["kind"], registry=self.registry
        )
        self.endpoint = Info(prefix + "endpoint", "The etcd endpoint in use.", registry=self.registry)
        self.etcd_outdated = Gauge(
            prefix + "etcd_outdated",
            "1 if etcd is older than the validity promise needs, else 0.",
            registry=self.registry,
        )
        self.history_alarms = Counter(
            prefix + "history_alarms", "Times that etcd's history went back.", registry=self.registry
        )
        self.label_in_sync = Gauge(
            prefix + "label_in_sync",
            "1 while the pod's label says what the verdict says, else 0.",
            ["election"],
            registry=self.registry,
        )
        self.label_writes = Counter(
            prefix + "label_writes", "Label writes, by result.", ["election", "result"], registry=self.registry
        )
        self.label_conflicts = Counter(
            prefix + "label_conflicts",
            "Peers met whose label or token stands against ours.",
            ["election"],
            registry=self.registry,
        )
        self.route_in_sync = Gauge(
            prefix + "route_in_sync",
            "1 while the Service's slices say what the verdict says, else 0.",
            ["election"],
            registry=self.registry,
        )
        self.route_writes = Counter(
            prefix + "route_writes", "Writes of slices, by result.", ["election", "result"], registry=self.registry
        )
        self.route_conflicts = Counter(
            prefix + "route_conflicts",
            "Slices met whose token stands against ours, or which somebody else keeps for the Service.",
            ["election"],
            registry=self.registry,
        )
        self.workload_healthy = Gauge(
            prefix + "workload_healthy",
            "1 while the workload's health check says so, else 0.",
            ["election"],
            registry=self.registry,
        )
        self.build = Info(prefix + "build", "Version of the sidecar.", registry=self.registry)

    def watch(
        self,
        election: str,
        *,
        leads: Callable[[], bool],
        token: Callable[[], int],
        validity_seconds: Callable[[], float],
        position: Callable[[], int],
    ) -> None:
        """Compute these when scraped, never store them: leadership is a function of time."""
        self.is_leader.labels(election).set_function(leads)
        self.master_status.labels(election).set_function(leads)
        self.token.labels(election).set_function(token)
        self.validity.labels(election).set_function(validity_seconds)
        self.queue_position.labels(election).set_function(position)
