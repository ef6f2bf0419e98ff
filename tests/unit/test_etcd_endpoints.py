"""Endpoint URLs, addresses, and whose turn it is."""

import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.etcd.endpoints import Endpoint, Rotation, Target, parse_endpoint, parse_endpoints, resolve

A = parse_endpoint("http://a:1")
B = parse_endpoint("http://b:2")


@pytest.mark.parametrize(
    ("url", "secure", "host", "port"),
    [
        ("http://etcd:2379", False, "etcd", 2379),
        ("https://etcd.ns.svc:2379/", True, "etcd.ns.svc", 2379),
        ("http://10.0.0.1:2379", False, "10.0.0.1", 2379),
        ("https://[fd00::1]:2379", True, "fd00::1", 2379),
    ],
)
def test_a_good_url_is_read(url: str, secure: bool, host: str, port: int) -> None:
    assert parse_endpoint(url) == Endpoint(url.rstrip("/"), secure, host, port)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("etcd:2379", "http:// or https://"),
        ("", "http:// or https://"),
        ("unix:///run/etcd", "http:// or https://"),
        ("http://etcd", "port is missing"),
        ("http://etcd:0", "port is missing"),
        ("http://etcd:port", "Port"),
        ("http://etcd:99999", "Port"),
        ("http://:2379", "host is missing"),
        ("http://et cd:2379", "blanks"),
        ("http://[fd00::1:2379", "Invalid IPv6"),
        ("http://etcd:2379/v3", "nothing may follow"),
        ("http://etcd:2379?x=1", "nothing may follow"),
    ],
)
def test_a_malformed_url_is_refused_by_its_setting_value_and_mend(url: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint) as refused:
        parse_endpoint(url)
    assert (refused.value.setting, refused.value.value) == ("--etcd-endpoints", url)
    assert refused.value.exit_code is ExitCode.CONFIG


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingError) as refused:
        parse_endpoint("https://root:s3cret@etcd:2379")
    assert "s3cret" not in str(refused.value)


def test_no_endpoints_at_all_are_refused() -> None:
    with pytest.raises(SettingError, match="not set"):
        parse_endpoints([])


@pytest.mark.parametrize(("address", "name"), [("10.0.0.1", "ipv4:10.0.0.1:1"), ("fd00::1", "ipv6:[fd00::1]:1")])
def test_a_target_is_named_as_grpc_wants_it(address: str, name: str) -> None:
    assert Target(A, address).grpc_name == name


def test_every_address_of_every_endpoint_has_its_turn_round_and_round() -> None:
    rotation, addresses = Rotation((A, B)), {A: ["1.1.1.1", "2.2.2.2"], B: ["3.3.3.3"]}
    taken: list[tuple[Endpoint, str]] = []
    while len(taken) < 6:
        target = rotation.take()
        if target is None:
            endpoint = rotation.turn()
            rotation.offer(endpoint, addresses[endpoint])
        else:
            taken.append((target.endpoint, target.address))
    once = [(A, "1.1.1.1"), (A, "2.2.2.2"), (B, "3.3.3.3")]
    assert taken == once + once


def test_a_round_is_as_long_as_the_addresses_known() -> None:
    rotation = Rotation((A, B))
    assert rotation.round_length == 2
    rotation.offer(A, ["1.1.1.1", "2.2.2.2"])
    assert rotation.round_length == 3
    rotation.offer(A, [])
    assert rotation.round_length == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_is_its_own_only_address(host: str) -> None:
    assert await resolve(Endpoint("-", False, host, 1)) == (host,)
