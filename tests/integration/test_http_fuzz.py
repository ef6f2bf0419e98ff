"""Whatever is asked, by the OpenAPI document or against it: documented answers, and nothing is lost."""

from collections.abc import Iterator

import httpx
import pytest

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


def test_fuzzing_resign_finds_only_documented_answers(base_url: str) -> None:
    assert fuzz(base_url, examples=EXAMPLES, losing=True) == {("POST", "/resign")}
