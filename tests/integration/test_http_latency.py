"""A kept-open connection answers at once: no request waits for the other side's delayed acknowledgement."""

import socket

import pytest

from sidecar.http.address import parse_address
from sidecar.http.sockets import open_sockets


@pytest.mark.parametrize("text", ["localhost:0", "127.0.0.1:0", ":0"])
def test_listening_sockets_say_that_they_are_tcp(text: str) -> None:
    """Only then asyncio sets TCP_NODELAY on what they accept; without it a used connection answers after 40 ms."""
    opened = open_sockets(parse_address("--listen", text))
    try:
        assert {sock.proto for sock in opened} == {socket.IPPROTO_TCP}
    finally:
        for sock in opened:
            sock.close()
