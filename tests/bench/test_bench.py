"""The bench reads its sources right; what it measures, nobody asserts."""

import os

import pytest

from tests.bench.numbers import spread
from tests.bench.procfs import read_cpu_seconds, read_memory
from tests.bench.traffic import difference, parse_counts


def test_quantiles_are_measured_values() -> None:
    hundred = spread([float(value) for value in range(100, 0, -1)])
    assert (hundred.count, hundred.least, hundred.p50, hundred.p99, hundred.most) == (100, 1, 50, 99, 100)
    assert spread([3.0]).p99 == 3.0


def test_nothing_measured_is_an_error_and_no_zero() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_etcds_requests_are_counted_by_method_over_all_types() -> None:
    metrics = """\
# TYPE grpc_server_msg_received_total counter
grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",grpc_service="etcdserverpb.Lease",grpc_type="bidi"} 12
grpc_server_msg_received_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3
grpc_server_msg_received_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="other"} 1e+00
grpc_server_msg_sent_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 99
"""
    assert parse_counts(metrics) == {"Lease/LeaseKeepAlive": 12, "KV/Txn": 4}


def test_a_difference_leaves_out_what_stood_still() -> None:
    assert difference({"a": 5, "b": 2, "c": 1}, {"a": 3, "b": 2}) == {"a": 2, "c": 1}


def test_the_kernel_answers_for_a_process() -> None:
    memory = read_memory(os.getpid())
    assert 0 < memory.anonymous < memory.rss
    before = read_cpu_seconds(os.getpid())
    while read_cpu_seconds(os.getpid()) == before:
        pass
