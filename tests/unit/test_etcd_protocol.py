"""Importing etcd's generated protocol, in whatever order and environment: shown in processes of their own."""

import subprocess
import sys

import pytest


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("asked", [None, "python", "upb"])
def test_it_imports_whatever_runtime_the_environment_asks_for_and_leaves_the_environment_alone(
    asked: str | None,
) -> None:
    environment = {} if asked is None else {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": asked}
    done = python(
        "import os; from sidecar.etcd.protocol import rpc;"
        "print(len(rpc.PutRequest(key=b'k').SerializeToString()),"
        " os.environ.get('PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'))",
        **environment,
    )
    assert done.stdout == f"3 {asked}\n", done.stderr


def test_protobuf_imported_before_with_another_runtime_gives_a_clear_error() -> None:
    done = python("import google.protobuf.descriptor; import sidecar.etcd.protocol")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: google.protobuf was imported before")
    assert "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python" in last


@pytest.mark.parametrize("first", ["kubernetes.client", "fastapi", "opentelemetry", "uvicorn", "prometheus_client"])
def test_the_sidecars_other_packages_may_be_imported_first(first: str) -> None:
    done = python(f"import warnings; warnings.simplefilter('default'); import {first}; import sidecar.etcd.protocol")
    assert done.returncode == 0, done.stderr
