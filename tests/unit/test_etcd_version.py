"""Which etcd is too old for the validity promise."""

import pytest

from sidecar.etcd.version import outdated


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.3.8", True),
        ("3.3.27", True),
        ("3.4.0", True),
        ("3.4.30", True),
        ("3.4.31", False),
        ("3.4.42", False),
        ("3.5.1", True),
        ("3.5.12", True),
        ("3.5.13", False),
        ("3.5.13-rc.1", False),
        ("3.6.0", False),
        ("3.7.3", False),
        ("3.10.0", False),
        ("4.0.0", False),
        ("", None),
        ("unknown", None),
        ("3.5", None),
        ("3.5.1.2", None),
    ],
)
def test_too_old_is_before_3_4_31_3_5_13_and_3_6_0(version: str, expected: bool | None) -> None:
    assert outdated(version) is expected
