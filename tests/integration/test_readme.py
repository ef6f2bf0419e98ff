"""What README and docs tell people to do works as written."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.metrics import Metrics
from sidecar.settings import Surroundings, build
from tests.support.etcd import Cluster, running
from tests.support.sidecar import SidecarProcess

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
SET_UP_SECONDS = 1200.0


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks(README, "sh") for line in block.splitlines()]


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_text().splitlines()) <= 110


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for target in targets:
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
        assert not anchor or anchor in map(anchor_of, headings), target


def anchor_of(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_command_is_run_by_a_test_or_by_ci() -> None:
    ran_here = {"make demo", 'make demo ARGS="--rounds 2"'}
    ran_by_ci = {"make test"}
    assert set(commands()) == ran_here | ran_by_ci
    assert all(f"stage {command}\n" in (ROOT / ".ci" / "run").read_text() for command in ran_by_ci)


def test_the_pods_specification_starts_a_sidecar_that_keeps_the_label_which_the_service_selects() -> None:
    pod, service = (yaml.safe_load(block) for block in blocks(README, "yaml"))
    container: dict[str, Any] = pod["initContainers"][0]
    names = {variable["name"] for variable in container["env"]}
    assert container["restartPolicy"] == "Always"
    assert (container["args"][0], names) == ("run", {"POD_NAME", "POD_NAMESPACE", "POD_UID"})
    environ = dict.fromkeys(names, "x") | dict(_as_variable(flag) for flag in container["args"][1:])
    settings = build({"labels": True}, Surroundings(environ, "host", ROOT / "none", on_terminal=False))
    assert service["spec"]["selector"] == {settings.label_key(settings.election): "leader"}
    assert settings.native
    assert settings.probe_listen == f":{container['ports'][0]['containerPort']}"


def _as_variable(flag: str) -> tuple[str, str]:
    """A flag as the environment variable it stands for, so that the pod's arguments are read as the program does."""
    name, _, value = flag.removeprefix("--").partition("=")
    return "LEADER_SIDECAR_" + name.upper().replace("-", "_"), value or "true"


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[SidecarProcess]:
    with running(Cluster(tmp_path / "etcd")) as etcd:
        endpoints = ",".join(etcd.endpoints)
        with SidecarProcess("me", etcd_endpoints=endpoints, lock_name="/readme", folder=tmp_path) as sidecar:
            sidecar.wait_until_leading()
            yield sidecar


def test_the_gate_opens_on_a_leader_for_as_long_as_was_promised_and_not_without_a_sidecar(
    leader: SidecarProcess,
) -> None:
    """As written but for the port."""
    (block,) = blocks(README, "python")
    names: dict[str, Any] = {}
    exec(block.replace("localhost:4040", f"127.0.0.1:{leader.port}"), names)  # noqa: S102 - our own README
    asked_at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    until = names["leads_until"]()
    assert asked_at < until <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 2_000_000_000
    assert names["leads"]()
    leader.kill()
    assert not names["leads"]()


def test_the_page_on_operations_names_every_metric_and_no_other() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("## Metrics")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `([a-z_]+)", section, re.MULTILINE))
    assert told == {_exposed(family.name, family.type) for family in Metrics().registry.collect()}


def _exposed(name: str, kind: str) -> str:
    suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
    return name.removeprefix("leader_sidecar_") + suffix


@pytest.fixture(scope="module")
def bare_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's files as they are now, without a virtual environment or anything else that git ignores."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def outside_environment() -> dict[str, str]:
    """Without the virtual environment that runs this test, nor make's own variables where make runs it."""
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != own)
    dropped = {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "ARGS"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | {"PATH": path, "TERM": "xterm"}


@pytest.mark.slow  # makes a virtual environment
@pytest.mark.timeout(2 * SET_UP_SECONDS)
class TestInABareCheckout:
    def test_the_demo_sets_itself_up_and_shows_two_rounds(self, bare_checkout: Path) -> None:
        ran = subprocess.run(
            ["sh", "-c", 'make demo ARGS="--rounds 2"'],
            cwd=bare_checkout,
            env=outside_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SET_UP_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert len(re.findall(r"^round \d: [ABC] -> [ABC] \d+\.\d\d s$", ran.stdout, re.MULTILINE)) == 2

    def test_the_demo_is_live_on_a_terminal_and_ends_with_q(self, bare_checkout: Path) -> None:
        ours, theirs = pty.openpty()
        make = subprocess.Popen(
            ["make", "demo"], cwd=bare_checkout, env=outside_environment(), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        try:
            shown = b""
            while b"leading" not in shown:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # nobody has the terminal open any more
                    pytest.fail(f"the demo ended with {make.wait(60)}: {shown.decode(errors='replace')}")
            os.write(ours, b"q")
            assert make.wait(60) == 0
        finally:
            make.kill()
            make.wait()
            os.close(ours)
