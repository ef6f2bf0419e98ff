"""etcd's protocol as the ``etcd3`` package describes it: messages, and stubs for ``grpc.aio`` channels.

With a protobuf of today the package's generated modules run on its pure-Python runtime alone, which takes 5 to 10 times
as long over each message. So they are read, not run: each holds its ``.proto`` file in serialised form, of which
protobuf's own runtime makes the classes. Nothing else reads them: another description could replace it here.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

_FILES = ("auth", "kv", "rpc")
"""Each after those that it refers to."""

_SERIALISED = re.compile(r"""serialized_pb=_b\(('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")


def _described(pool: DescriptorPool) -> dict[str, Any]:
    """The three files' descriptors. Raises ``ImportError`` where ``etcd3`` is not what it was."""
    package = find_spec("etcd3")
    if package is None or not package.submodule_search_locations:
        raise ImportError("no package etcd3")
    files: dict[str, Any] = {}
    for name in _FILES:
        generated = Path(package.submodule_search_locations[0], "etcdrpc", f"{name}_pb2.py")
        found = _SERIALISED.search(generated.read_text(encoding="utf-8"))
        if found is None:
            raise ImportError(f"{generated} holds no description of etcd's protocol: etcd3 0.12 does")
        files[name] = pool.AddSerializedFile(ast.literal_eval(found[1]).encode("latin-1"))
    return files


class _Stub:
    """Of one service on one channel: an attribute for each of its methods, called as gRPC's own stubs are."""

    def __init__(self, service: ServiceDescriptor, channel: Any) -> None:
        for method in service.methods:
            setattr(self, method.name, _callable(method, channel))


def _callable(method: MethodDescriptor, channel: Any) -> Any:
    asks = "stream" if method.client_streaming else "unary"
    answers = "stream" if method.server_streaming else "unary"
    service = method.containing_service.full_name
    return getattr(channel, f"{asks}_{answers}")(
        f"/{service}/{method.name}",
        request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )


def _messages(described: Any) -> SimpleNamespace:
    """A file's messages and enum values, by name."""
    messages = described.message_types_by_name.items()
    values = [value for enum in described.enum_types_by_name.values() for value in enum.values]
    return SimpleNamespace(
        **{name: message_factory.GetMessageClass(message) for name, message in messages},
        **{value.name: value.number for value in values},
    )


# a pool of our own: names such as kv.proto may be another library's, too
_files = _described(DescriptorPool())
_services = _files["rpc"].services_by_name

rpc: Any = _messages(_files["rpc"])
"""Requests and answers."""
kv: Any = _messages(_files["kv"])
"""KeyValue and Event."""


def stub(service: str, channel: Any) -> Any:
    """Of ``service``, as ``KV``, on a ``grpc.aio`` channel."""
    return _Stub(_services[service], channel)
