"""Webhooks go to programs of this pod and to nobody else: any other URL is refused at start."""

import pytest

from sidecar.settings import declare


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/elected",
        "http://localhost",
        "http://LOCALHOST:1/",
        "http://127.0.0.1:8080/a/b?c=d&e=%20",
        "http://127.9.8.7:8080",
        "http://[::1]:8080/elected",
    ],
)
def test_loopback_is_taken_as_it_stands(url: str) -> None:
    assert declare.hook(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/elected",
        "localhost:8080/elected",
        "https://localhost:8080/elected",
        "file://localhost/etc/passwd",
        "http://",
        "http://example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "http://example.com#localhost",
        "http://0.0.0.0:8080/",
        "http://10.0.0.1:8080/",
        "http://169.254.169.254/latest/meta-data",
        "http://127.1:8080/",
        "http://2130706433:8080/",
        "http://[::]:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://[::1%25lo]:8080/",
        "http://[::1:8080/",
        "http://localhost:0/",
        "http://localhost:99999/",
        "http://localhost:http/",
        "http://user:secret@localhost:8080/",
        "http://localhost:8080/#part",
        "http://localhost:8080/a b",
        "http://localhost:8080/a\r\nX-Injected: 1",
        "http://localhost:8080/ü",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"write|leave"):
        declare.hook(url)
