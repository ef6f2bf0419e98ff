import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.http.address import EVERY, LOOPBACK, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:4040", LOOPBACK, 4040),
        ("LocalHost:4040", LOOPBACK, 4040),
        (":4041", EVERY, 4041),
        ("[::]:4041", EVERY, 4041),
        ("192.0.2.7:4041", "192.0.2.7", 4041),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    address = parse_address("--listen", text)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "4040", "localhost", "localhost:", "localhost:http", "localhost:-1", "::1:4040", "[127.0.0.1]:80", "[::1]",
     "example.org:80", "127.0.0.300:80", "localhost:65536", "localhost:999999", "http://localhost:80", "[]:80",
     "localhost:\u0664\u0660"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_flag_value_and_mend(text: str) -> None:
    with pytest.raises(SettingError) as refused:
        parse_address("--probe-listen", text)
    assert str(refused.value).startswith(f"--probe-listen: {text!r}: give ")
    assert refused.value.exit_code is ExitCode.CONFIG
