"""What works but is unwise is said, and the CPU quota is found in both kinds of cgroup."""

from pathlib import Path

import pytest

from sidecar.election import margin
from sidecar.settings import Settings, Surroundings, build, cautions, cpu_quota_cores
from sidecar.settings.build import Given
from sidecar.settings.checks import MARGIN_RATIO


def settings(tmp_path: Path, **flags: Given) -> Settings:
    given: dict[str, Given] = {"elections": ("demo",), "etcd_endpoints": "http://h:1"}
    environ = {"LEADER_SIDECAR_ETCD_PASSWORD": "x"} if "etcd_user" in flags else {}
    return build(given | flags, Surroundings(environ, "host", tmp_path, on_terminal=False))


def test_sane_settings_raise_no_caution(tmp_path: Path) -> None:
    assert cautions(settings(tmp_path, cluster_name="east"), None) == []
    assert cautions(settings(tmp_path, ttl_seconds="6"), 0.2) == []


@pytest.mark.parametrize(
    ("flags", "quota_cores", "word"),
    [
        ({"ttl_seconds": "5"}, None, "--ttl 5"),
        ({}, 0.199, "199m"),
        ({"etcd_user": "root"}, None, "--etcd-user"),
        ({"cluster_name": "east", "lock_name": "/x"}, None, "--cluster-name east"),
    ],
)
def test_each_unwise_choice_raises_one_caution(
    tmp_path: Path, flags: dict[str, Given], quota_cores: float | None, word: str
) -> None:
    (said,) = cautions(settings(tmp_path, **flags), quota_cores)
    assert word in said


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "20000 100000\n"}, 0.2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "5000\n", "cpu,cpuacct/cpu.cfs_period_us": "50000\n"}, 0.1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
        ({"cpu.max": "garbage\n"}, None),
    ],
)
def test_the_cpu_quota_is_read_from_either_cgroup(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_quota_cores(tmp_path) == cores


def test_the_margin_that_settings_are_checked_against_is_the_elections() -> None:
    assert MARGIN_RATIO == margin.MARGIN_RATIO
