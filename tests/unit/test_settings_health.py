"""What ``--health-check`` may name, and which of its timings are refused."""

from pathlib import Path

import pytest

from sidecar.settings import InvalidSettings, Surroundings, build
from sidecar.settings.build import Given
from sidecar.settings.health import LOOPBACKS, Target, is_own_address, parse_target

REQUIRED: dict[str, Given] = {"elections": ("demo",), "etcd_endpoints": "http://127.0.0.1:2379"}
CHECKED = REQUIRED | {"health_check": "http://localhost:8080/healthz"}
ELSEWHERE = "192.0.2.1"
"""Of a block that is kept for documentation (RFC 5737): no machine has it."""


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("http://localhost:8080", Target(LOOPBACKS, 8080, "/", "localhost:8080")),
        ("http://localhost:8080/healthz?full=1", Target(LOOPBACKS, 8080, "/healthz?full=1", "localhost:8080")),
        ("http://127.0.0.1:80/", Target(("127.0.0.1",), 80, "/", "127.0.0.1:80")),
        ("http://[::1]:80/", Target(("::1",), 80, "/", "[::1]:80")),
        ("tcp://localhost:5432", Target(LOOPBACKS, 5432, None, "localhost:5432")),
    ],
)
def test_what_is_asked(given: str, target: Target) -> None:
    assert parse_target(given) == target


@pytest.mark.parametrize(
    "given",
    [
        "localhost:8080",
        "https://localhost:8080/",
        "http://localhost/",
        "http://localhost:0/",
        "http://localhost:99999/",
        "http://:8080/",
        "http://user@localhost:8080/",
        "http://localhost:8080/#part",
        "http://localhost:8080/a b",
        "http://localhost:8080/\r\nX: y",
        "http://localhost:8080/ä",
        "http://example.com:8080/",
        "http://worker.default.svc:8080/",
        "tcp://localhost:5432/path",
    ],
)
def test_what_names_nothing_of_this_pods_own_is_refused_with_the_mend(given: str, outside: Surroundings) -> None:
    assert refused(CHECKED | {"health_check": given}, outside) == ["--health-check"]


def test_an_address_of_this_machine_is_its_own_and_no_other_is() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address(ELSEWHERE)


def test_an_address_of_another_machine_is_refused(outside: Surroundings) -> None:
    assert refused(CHECKED | {"health_check": f"http://{ELSEWHERE}:8080/"}, outside) == ["--health-check"]


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        ({"health_period_seconds": "0"}, "--health-period"),
        ({"health_timeout_seconds": "0"}, "--health-timeout"),
        ({"health_failure_threshold": "0"}, "--health-failure-threshold"),
        ({"health_failure_threshold": "2.5"}, "--health-failure-threshold"),
        ({"health_success_threshold": "-1"}, "--health-success-threshold"),
        ({"health_cool_down_seconds": "soon"}, "--health-cool-down"),
        ({"health_ignore_after_seconds": "inf"}, "--health-ignore-after"),
    ],
)
def test_timings_and_thresholds_that_cannot_be_are_refused(
    flags: dict[str, Given], setting: str, outside: Surroundings
) -> None:
    assert refused(CHECKED | flags, outside) == [setting]


def test_an_escape_without_a_check_is_refused(outside: Surroundings) -> None:
    assert refused(REQUIRED | {"health_ignore_after_seconds": "30"}, outside) == ["--health-ignore-after"]


@pytest.fixture
def outside(tmp_path: Path) -> Surroundings:
    return Surroundings({}, "host", tmp_path, on_terminal=False)


def refused(flags: dict[str, Given], outside: Surroundings) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        build(flags, outside)
    assert all("\n" not in str(error) for error in caught.value.errors)
    return [error.setting for error in caught.value.errors]
