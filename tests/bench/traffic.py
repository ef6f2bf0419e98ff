"""Counts what etcd is asked, from its own metrics."""

import re

from tests.support.etcd import Cluster

_RECEIVED = re.compile(r"^grpc_server_msg_received_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Counts = dict[str, float]
"""Messages received so far, by ``Service/Method``. A keepalive on its stream counts as one, as a call does."""


def parse_counts(metrics: str) -> Counts:
    """From the text that etcd gives to Prometheus."""
    counts: Counts = {}
    for found in _RECEIVED.finditer(metrics):
        labels = dict(_LABEL.findall(found["labels"]))
        name = f"{labels['grpc_service'].rpartition('.')[2]}/{labels['grpc_method']}"
        counts[name] = counts.get(name, 0) + float(found["count"])
    return counts


def read_counts(etcd: Cluster) -> Counts:
    return parse_counts(etcd.only.metrics())


def difference(later: Counts, earlier: Counts) -> Counts:
    """What came between, without what did not change."""
    changes = {name: count - earlier.get(name, 0) for name, count in later.items()}
    return {name: change for name, change in sorted(changes.items()) if change}
