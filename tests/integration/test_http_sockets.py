"""Addresses, ports and families, on real sockets."""

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.http.server import HttpServer
from sidecar.metrics import Metrics
from tests.support.http import LEADING, FakeElection, FakeHealth, FixedClock, raw, serving


def make_server(listen: str, probe_listen: str) -> HttpServer:
    return HttpServer(listen, probe_listen, FakeElection(LEADING), FakeHealth(), Metrics(), FixedClock())


async def status(url: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).status_code


@contextmanager
def taken(family: socket.AddressFamily, host: str) -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with serving(FakeElection(LEADING), FakeHealth()) as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_localhost_means_both_loopback_addresses(server: HttpServer, host: str) -> None:
    assert await status(f"http://{host}:{server.workload.port}/leader") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "[::1]"])
async def test_the_pods_listener_takes_both_families(server: HttpServer, host: str) -> None:
    assert await status(f"http://{host}:{server.pod.port}/healthz") == 200


@pytest.mark.parametrize(("listen", "own", "other"), [("127.0.0.1", "127.0.0.1", "::1"), ("[::1]", "::1", "127.0.0.1")])
async def test_an_explicit_address_means_that_one(listen: str, own: str, other: str) -> None:
    async with serving(FakeElection(LEADING), FakeHealth(), listen=f"{listen}:0") as server:
        async with raw(server.workload.port, host=own):
            pass
        with pytest.raises(ConnectionRefusedError):
            async with raw(server.workload.port, host=other):
                pass


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_in_use_on_either_family_is_named_with_its_flag(family: socket.AddressFamily, host: str) -> None:
    with taken(family, host) as port:
        for listen, probe_listen, flag in (
            (f"localhost:{port}", ":0", f"--listen: 'localhost:{port}'"),
            ("localhost:0", f":{port}", f"--probe-listen: ':{port}'"),
        ):
            with pytest.raises(SettingError, match=rf"port {port} is in use") as refused:
                make_server(listen, probe_listen).bind()
            assert str(refused.value).startswith(flag)
            assert refused.value.exit_code is ExitCode.OS_ERROR


def test_both_listeners_on_one_port_are_refused() -> None:
    with taken(socket.AF_INET, "127.0.0.1") as port:
        pass
    with pytest.raises(SettingError, match=rf"^--probe-listen: ':{port}': port {port} is in use"):
        make_server(f"127.0.0.1:{port}", f":{port}").bind()


async def test_a_bind_that_failed_has_left_no_port_open() -> None:
    with taken(socket.AF_INET, "127.0.0.1") as port:
        pass
    with taken(socket.AF_INET, "127.0.0.1") as in_use, pytest.raises(SettingError):
        make_server(f"localhost:{port}", f":{in_use}").bind()
    with pytest.raises(ConnectionRefusedError):
        async with raw(port):
            pass


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SettingError, match="this machine has no such address") as refused:
        make_server("192.0.2.1:4040", ":0").bind()
    assert refused.value.exit_code is ExitCode.OS_ERROR


async def test_the_port_is_free_again_at_once_for_a_restart() -> None:
    async with serving(FakeElection(LEADING), FakeHealth()) as server:
        port, probe_port = server.workload.port, server.pod.port
        for own in (port, probe_port):
            # the side that closes first, here the server, keeps the port occupied for a minute
            async with raw(own, "GET /leader HTTP/1.0\n\n") as connection:
                assert "200 OK" in await connection.rest()
    async with serving(FakeElection(LEADING), FakeHealth(), f"localhost:{port}", f":{probe_port}"):
        assert await status(f"http://localhost:{port}/leader") == 200


async def test_a_machine_without_ipv6_is_served_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutIpv6(socket.socket):
        def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, kind, proto, fileno)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", WithoutIpv6)
        server = make_server("localhost:0", ":0")
        server.bind()
    async with raw(server.workload.port), raw(server.pod.port, host="127.0.0.2"):
        pass
    for listener in (server.workload, server.pod):
        with pytest.raises(ConnectionRefusedError):
            async with raw(listener.port, host="::1"):
                pass
    await server.stop(timeout_seconds=1)
