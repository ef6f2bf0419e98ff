"""Whatever is asked, by the OpenAPI document or against it: documented answers, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import DISTRO, Clusters
from tests.support.group import Group
from tests.support.http import FOLLOWING, LEADING, FakeElection, FakeHealth, serving_in_thread
from tests.support.http_fuzz import fuzz

EXAMPLES = 15


@pytest.fixture(params=[LEADING, FOLLOWING], ids=["leader", "follower"])
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serving_in_thread(FakeElection(request.param), FakeHealth()) as server:
        yield f"http://localhost:{server.workload.port}"


def test_fuzzing_finds_only_documented_answers_and_loses_nothing(base_url: str) -> None:
    before = httpx.get(f"{base_url}/leader")
    asked = fuzz(base_url, examples=EXAMPLES, losing=False)
    after = httpx.get(f"{base_url}/leader")
    assert (after.status_code, after.json()["token"]) == (before.status_code, before.json()["token"])
    assert {("GET", "/leader"), ("HEAD", "/leader/watch"), ("GET", "/"), ("GET", "/metrics")} <= asked
    assert {(method, "/state/{key}") for method in ("GET", "HEAD", "PUT", "DELETE")} <= asked


def test_fuzzing_what_gives_the_lead_up_finds_only_documented_answers(base_url: str) -> None:
    assert fuzz(base_url, examples=EXAMPLES, losing=True) == {("POST", "/resign"), ("POST", "/transfer")}


def test_fuzzing_running_sidecars_finds_only_documented_answers_and_nobody_loses_anything(
    clusters: Clusters, tmp_path: Path
) -> None:
    # no lease may run out while a busy machine fuzzes
    with Group(clusters.get(DISTRO), tmp_path, lock="/fuzzed", ttl_seconds=20) as group:
        leader = group.settle()
        token, queue = group.token(leader), group.queue()
        for sidecar in group.sidecars:
            fuzz(sidecar.url, examples=EXAMPLES, losing=False)
        assert (group.settle(), group.token(leader), group.queue()) == (leader, token, queue)
