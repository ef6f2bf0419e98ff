"""A gRPC server that speaks etcd's protocol by a test's script: for what no real etcd can be made to do on cue."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from sidecar.etcd.protocol import kv, rpc

Metadata = dict[str, str]


class ScriptedEtcd:
    """Answers everything at revision ``revision`` of cluster ``cluster_id``, unless a script says otherwise.

    ``scripts`` maps a method's name to what answers it: for single calls ``(request, context) -> answer``, for streams
    ``(requests, context) -> answers``. ``calls`` records each call's method and metadata.
    """

    def __init__(self) -> None:
        self.cluster_id, self.revision = 7, 100
        self.calls: list[tuple[str, Metadata]] = []
        self.scripts: dict[str, Callable[[Any, Any], Any]] = {}
        self._server = grpc.aio.server()
        self._add("KV", "Range", rpc.RangeRequest, lambda _: rpc.RangeResponse(header=self.header()))
        self._add("KV", "Txn", rpc.TxnRequest, self._transact)
        self._add("Lease", "LeaseGrant", rpc.LeaseGrantRequest, self._grant)
        self._add("Lease", "LeaseRevoke", rpc.LeaseRevokeRequest, self._revoke)
        self._add("Lease", "LeaseTimeToLive", rpc.LeaseTimeToLiveRequest, self._time_to_live)
        self._add("Auth", "Authenticate", rpc.AuthenticateRequest, self._authenticate)
        self._add("Maintenance", "Status", rpc.StatusRequest, lambda _: rpc.StatusResponse(version="3.6.0"))
        self._add_stream("Lease", "LeaseKeepAlive", rpc.LeaseKeepAliveRequest, self._keep_alive)
        self._add_stream("Watch", "Watch", rpc.WatchRequest, self._watch)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.stop(None)

    def header(self, revision: int | None = None) -> Any:
        return rpc.ResponseHeader(
            cluster_id=self.cluster_id,
            member_id=1,
            revision=self.revision if revision is None else revision,
            raft_term=2,
        )

    def seen(self, method: str) -> list[Metadata]:
        """The metadata of every call of that method so far."""
        return [metadata for name, metadata in self.calls if name == method]

    def _grant(self, request: Any) -> Any:
        return rpc.LeaseGrantResponse(header=self.header(), ID=request.ID or 0xABC, TTL=request.TTL)

    def _revoke(self, _: Any) -> Any:
        return rpc.LeaseRevokeResponse(header=self.header())

    def _time_to_live(self, request: Any) -> Any:
        return rpc.LeaseTimeToLiveResponse(header=self.header(), ID=request.ID, TTL=20, grantedTTL=30)

    def _authenticate(self, _: Any) -> Any:
        return rpc.AuthenticateResponse(token=f"token-{len(self.seen('Authenticate'))}")

    def _transact(self, request: Any) -> Any:
        answers = [
            rpc.ResponseOp(response_put=rpc.PutResponse())
            if operation.HasField("request_put")
            else rpc.ResponseOp(response_range=rpc.RangeResponse())
            for operation in request.success
        ]
        return rpc.TxnResponse(header=self.header(), succeeded=True, responses=answers)

    async def _keep_alive(self, requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield rpc.LeaseKeepAliveResponse(header=self.header(), ID=request.ID, TTL=30)

    async def _watch(self, requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        async for _request in requests:
            yield rpc.WatchResponse(header=self.header(), created=True)
            pair = kv.KeyValue(mod_revision=self.revision)
            yield rpc.WatchResponse(header=self.header(), events=[kv.Event(kv=pair)])

    def _add(self, service: str, method: str, kind: Any, usual: Callable[[Any], Any]) -> None:
        async def answer(request: Any, context: Any) -> Any:
            self._record(method, context)
            script: Callable[[Any, Any], Awaitable[Any]] | None = self.scripts.get(method)
            return usual(request) if script is None else await script(request, context)

        handler = grpc.unary_unary_rpc_method_handler(answer, kind.FromString, _serialized)
        self._server.add_generic_rpc_handlers([_service(service, method, handler)])

    def _add_stream(
        self, service: str, method: str, kind: Any, usual: Callable[[Any, Any], AsyncIterator[Any]]
    ) -> None:
        async def answers(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            self._record(method, context)
            script: Callable[[Any, Any], AsyncIterator[Any]] = self.scripts.get(method, usual)
            async for answer in script(requests, context):
                yield answer

        handler = grpc.stream_stream_rpc_method_handler(answers, kind.FromString, _serialized)
        self._server.add_generic_rpc_handlers([_service(service, method, handler)])

    def _record(self, method: str, context: Any) -> None:
        self.calls.append((method, {key: str(value) for key, value in context.invocation_metadata()}))


async def silence(*_: Any) -> None:
    """A script that never answers."""
    await asyncio.Event().wait()


def refusal(code: grpc.StatusCode, details: str) -> Callable[[Any, Any], Awaitable[None]]:
    """A script that fails."""

    async def refuse(_: Any, context: Any) -> None:
        await context.abort(code, details)

    return refuse


def _service(service: str, method: str, handler: Any) -> Any:
    make: Any = grpc.method_handlers_generic_handler
    return make(f"etcdserverpb.{service}", {method: handler})


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())
