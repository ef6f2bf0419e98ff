"""etcd's protocol out of the package ``etcd3``: shown in processes of their own."""

import subprocess
import sys

import pytest


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("asked", [None, "python", "upb"])
def test_it_works_on_whatever_protobuf_runtime_the_environment_asks_for(asked: str | None) -> None:
    environment = {} if asked is None else {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": asked}
    done = python(
        "from sidecar.etcd.protocol import kv, rpc;"
        "request = rpc.TxnRequest(compare=[rpc.Compare(target=rpc.Compare.CREATE, create_revision=7)]);"
        "assert rpc.TxnRequest.FromString(request.SerializeToString()).compare[0].create_revision == 7;"
        "print(rpc.NOSPACE, kv.Event.DELETE, request.SerializeToString().hex())",
        **environment,
    )
    assert done.stdout == "1 1 0a0410012807\n", done.stderr


def test_by_default_it_works_on_protobufs_fast_runtime() -> None:
    """The pure-Python one takes 5 to 10 times as long, which every handover would wait for."""
    done = python(
        "import sidecar.etcd.protocol; from google.protobuf.internal import api_implementation;"
        "print(api_implementation.Type())"
    )
    assert done.stdout == "upb\n", done.stderr


def test_another_librarys_files_of_the_same_names_are_not_in_the_way() -> None:
    done = python(
        "from google.protobuf import descriptor_pb2, descriptor_pool;"
        "other = descriptor_pb2.FileDescriptorProto(name='rpc.proto', package='another');"
        "descriptor_pool.Default().AddSerializedFile(other.SerializeToString());"
        "from sidecar.etcd.protocol import rpc; print(len(rpc.PutRequest(key=b'k').SerializeToString()))"
    )
    assert done.stdout == "3\n", done.stderr


@pytest.mark.parametrize("first", ["kubernetes.client", "fastapi", "opentelemetry", "uvicorn", "prometheus_client"])
def test_the_sidecars_other_packages_may_be_imported_first(first: str) -> None:
    done = python(f"import warnings; warnings.simplefilter('default'); import {first}; import sidecar.etcd.protocol")
    assert done.returncode == 0, done.stderr
