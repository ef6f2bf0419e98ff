"""The session's keepalive stream. The protocol has no request ids, so one request is out at a time, and a stream that
failed to answer in time is cancelled: nothing it still yields can be taken for a later answer."""

import asyncio
from typing import Any

import grpc.aio

from sidecar.clock import Clock
from sidecar.election.lease import Renewal
from sidecar.errors import EtcdUnavailable
from sidecar.etcd.attempts import Metadata
from sidecar.etcd.connections import Connection
from sidecar.etcd.keys import header_of
from sidecar.etcd.protocol import rpc


class Keepalive:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._stream: Any = None
        self._opened_for: tuple[Connection, Metadata] | None = None

    async def exchange(self, connection: Connection, metadata: Metadata, lease_id: int) -> Renewal:
        """One keepalive. Whatever goes wrong, cancellation included, ends the stream."""
        async with self._one_at_a_time:
            stream = self._stream_for(connection, metadata)
            try:
                sent_at = self._clock.now()
                await stream.write(rpc.LeaseKeepAliveRequest(ID=lease_id))
                answer = await stream.read()
                if answer is grpc.aio.EOF or lease_id != answer.ID:
                    raise EtcdUnavailable("the keepalive stream ended or answered for another lease")
            except asyncio.InvalidStateError as error:
                self.drop()
                raise EtcdUnavailable("the keepalive stream broke") from error
            except BaseException:
                self.drop()
                raise
            return Renewal(lease_id, float(answer.TTL), sent_at, header_of(answer.header))

    def drop(self) -> None:
        """End the stream; the next exchange opens another."""
        if self._stream is not None:
            self._stream.cancel()
        self._stream = self._opened_for = None

    def _stream_for(self, connection: Connection, metadata: Metadata) -> Any:
        # a token is the stream's metadata, so a new one needs a new stream
        if self._stream is None or self._stream.done() or self._opened_for != (connection, metadata):
            self.drop()
            self._stream = connection.lease.LeaseKeepAlive(metadata=metadata)
            self._opened_for = (connection, metadata)
        return self._stream
