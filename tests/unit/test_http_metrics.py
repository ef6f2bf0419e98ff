import pytest
from prometheus_client import generate_latest

from sidecar.metrics import Metrics


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("leader_sidecar_is_leader", "gauge"),
        ("leader_sidecar_token", "gauge"),
        ("leader_sidecar_transitions_total", "counter"),
        ("leader_sidecar_validity_seconds", "gauge"),
        ("leader_sidecar_keepalive_seconds", "histogram"),
        ("leader_sidecar_failures_total", "counter"),
        ("leader_sidecar_unconfirmed_renewals_total", "counter"),
        ("leader_sidecar_endpoint_info", "gauge"),
        ("leader_sidecar_queue_position", "gauge"),
        ("leader_sidecar_label_in_sync", "gauge"),
        ("leader_sidecar_label_writes_total", "counter"),
        ("leader_sidecar_label_conflicts_total", "counter"),
        ("leader_sidecar_handover_seconds", "histogram"),
        ("leader_sidecar_history_alarms_total", "counter"),
        ("leader_sidecar_etcd_outdated", "gauge"),
        ("leader_sidecar_build_info", "gauge"),
        ("leader_election_master_status", "gauge"),
    ],
)
def test_each_metric_of_the_contract_is_there_under_its_name(name: str, kind: str) -> None:
    assert f"# TYPE {name} {kind}\n" in generate_latest(Metrics().registry).decode()


def test_what_depends_on_the_time_is_computed_when_scraped() -> None:
    metrics, leads = Metrics(), [True]
    metrics.watch("web", leads=lambda: leads[0], token=lambda: 17, validity_seconds=lambda: 1.5, position=lambda: 1)
    page = generate_latest(metrics.registry).decode()
    assert 'leader_sidecar_is_leader{election="web"} 1.0' in page
    assert 'leader_election_master_status{name="web"} 1.0' in page
    assert 'leader_sidecar_token{election="web"} 17.0' in page
    leads[0] = False
    page = generate_latest(metrics.registry).decode()
    assert 'leader_sidecar_is_leader{election="web"} 0.0' in page
    assert 'leader_election_master_status{name="web"} 0.0' in page
