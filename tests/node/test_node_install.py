"""What the chart brings works on a real node: its own test, the container's limits, and the debugging aid within."""

from pathlib import Path

import pytest

from tests.node import group

pytestmark = pytest.mark.timeout(240)


@pytest.mark.usefixtures("address")
def test_helm_s_own_test_passes_and_leaves_nothing() -> None:
    said = group.helm("test", group.RELEASE, "--logs", "--timeout=120s")
    assert "Phase:          Succeeded" in said
    assert "it leads, and the label says so" in said
    left = group.kubectl("get", "pods,serviceaccounts,rolebindings", f"-n={group.RELEASE}", "-o=name")
    assert "leader-sidecar-test" not in left


def test_the_container_is_as_restricted_as_the_chart_says(leader: str) -> None:
    status = Path(f"/proc/{group.pid_of(leader, group.SIDECAR)}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65532"] * 4
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    root = group.kubectl("exec", leader, f"-n={group.NAMESPACE}", "-c", group.SIDECAR, "--", "cat", "/proc/mounts")
    flags = next(line.split()[3].split(",") for line in root.splitlines() if line.split()[1] == "/")
    assert "ro" in flags


def test_check_runs_inside_and_finds_no_error(leader: str) -> None:
    said = group.kubectl(
        "exec", leader, f"-n={group.NAMESPACE}", "-c", group.SIDECAR, "--", "leader-sidecar", "check", "--native"
    )
    print(said)
    assert "error" not in said.lower().split()
