"""etcd's generated protocol, from the ``etcd3`` package: messages and stubs, for ``grpc.aio`` channels.

The only importer of ``etcd3``, so that other stubs could replace it here. Its generated code is older than protobuf's C
runtime allows, so protobuf must run on its pure-Python one, which is chosen at protobuf's first import in a process.
"""

import os
import warnings
from typing import Any

from sidecar.bare import without_init

_CHOICE = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"


def _generated() -> tuple[Any, Any]:
    """The generated modules, whatever the environment asks for; the environment is left as it was, for children."""
    asked = os.environ.get(_CHOICE)
    os.environ[_CHOICE] = "python"
    try:
        from google.protobuf.internal import api_implementation

        if api_implementation.Type() != "python":
            raise ImportError(
                "google.protobuf was imported before sidecar.etcd and chose a runtime that etcd's generated protocol"
                f" cannot use: import sidecar.etcd.protocol first, or start with {_CHOICE}=python"
            )
        without_init("etcd3")
        with warnings.catch_warnings():
            # generated for protobuf 3: each descriptor warns that it is made in the old way
            warnings.simplefilter("ignore", DeprecationWarning)
            from etcd3 import etcdrpc
            from etcd3.etcdrpc import kv_pb2
    finally:
        if asked is None:
            del os.environ[_CHOICE]
        else:
            os.environ[_CHOICE] = asked
    return etcdrpc, kv_pb2


rpc, kv = _generated()
"""``rpc``: requests, answers and stubs; ``kv``: KeyValue and Event."""
