import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sidecar.election.verdict import State, View
from sidecar.errors import EtcdUnavailable
from sidecar.http.app import build_pod_app, build_workload_app
from sidecar.http.held import Held
from sidecar.http.request import MOST_BODY_BYTES
from sidecar.metrics import Metrics
from tests.support.http import FOLLOWING, LEADING, NOW, FakeElection, FakeHealth, FixedClock


class Broken(FakeElection):
    def view(self) -> View:
        raise RuntimeError("secret")


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@pytest.fixture
def health() -> FakeHealth:
    return FakeHealth()


@pytest.fixture
async def workload(election: FakeElection, health: FakeHealth) -> AsyncIterator[httpx.AsyncClient]:
    app = build_workload_app(election, health, Metrics(), FixedClock(), Held(10))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


@pytest.fixture
async def failing() -> AsyncIterator[httpx.AsyncClient]:
    """A workload's listener whose election breaks its contract."""
    app = build_workload_app(Broken(LEADING), FakeHealth(), Metrics(), FixedClock(), Held(10))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
async def pod(election: FakeElection, health: FakeHealth) -> AsyncIterator[httpx.AsyncClient]:
    app = build_pod_app(election, health, Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as client:
        yield client


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], set(problem)) == (status, {"type", "title", "status", "detail"})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_leader_answers_200_and_hands_out_a_promise(
    workload: httpx.AsyncClient, election: FakeElection, method: str
) -> None:
    answer = await workload.request(method, "/leader")
    assert answer.status_code == 200
    assert (answer.headers["X-Leader-Token"], answer.headers["X-Leader-Valid-Ms"]) == ("17", "2000")
    assert answer.headers["Cache-Control"] == "no-store"
    assert election.promised == [NOW + 2.0]


async def test_status_body_and_headers_come_from_one_view(workload: httpx.AsyncClient, election: FakeElection) -> None:
    await workload.get("/leader")
    assert election.views == 1


async def test_the_last_millisecond_of_a_promise_is_answered_as_led_with_no_time_left(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    election.shown = replace(LEADING, valid_until=NOW + 0.0004)
    answer = await workload.get("/leader")
    assert (answer.status_code, answer.json()["valid_for_ms"], answer.headers["X-Leader-Valid-Ms"]) == (200, 0, "0")


@pytest.mark.parametrize("state", [State.CONNECTING, State.WAITING, State.UNCONFIRMED, State.DRAINING])
async def test_a_follower_answers_503_with_the_whole_body(
    workload: httpx.AsyncClient, election: FakeElection, state: State
) -> None:
    election.shown = replace(FOLLOWING, state=state)
    answer = await workload.get("/leader")
    assert (answer.status_code, answer.json()["leader"], answer.json()["state"]) == (503, "web-1", state)
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Leader-Token" not in answer.headers
    assert election.promised == []


@pytest.mark.parametrize("query", ["", "?wait=30", "?since=other"])
async def test_the_pods_listener_promises_nothing(pod: httpx.AsyncClient, election: FakeElection, query: str) -> None:
    answer = await pod.get("/leader" + query)
    body = answer.json()
    assert (answer.status_code, body["is_leader"], body["token"]) == (200, True, 17)
    assert (body["valid_for_ms"], body["valid_until_boottime_ns"]) == (None, None)
    assert "X-Leader-Valid-Ms" not in answer.headers
    assert election.promised == []


@pytest.mark.parametrize(
    "path",
    ["/", "/leader/watch", "/candidates", "/history", "/resign", "/transfer", "/openapi.json", "/docs", "/redoc"],
)
async def test_the_pods_listener_has_nothing_else(pod: httpx.AsyncClient, path: str) -> None:
    assert_problem(await pod.get(path), 404)


@pytest.mark.parametrize("path", ["/leader", "/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_the_pods_listener_is_read_only(pod: httpx.AsyncClient, path: str, method: str) -> None:
    answer = await pod.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/leader/", 404),
        ("GET", "/docs", 404),
        ("GET", "/state/x", 404),
        ("POST", "/leader", 405),
        ("DELETE", "/openapi.json", 405),
        ("GET", "/resign", 405),
        ("GET", "/transfer", 405),
        ("POST", "/transfer", 422),
        ("GET", "/leader?wait=", 422),
        ("GET", "/leader?wait=-1", 422),
        ("GET", "/leader?wait=60.1", 422),
        ("GET", "/leader?wait=nan", 422),
        ("GET", "/leader?wait=inf", 422),
        ("GET", "/leader?wait=soon", 422),
        ("GET", "/readyz?strict=maybe", 422),
        ("POST", "/resign?drain=perhaps", 422),
    ],
)
async def test_what_cannot_be_asked_is_answered_with_a_problem(
    workload: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert_problem(await workload.request(method, path), status)


@pytest.mark.parametrize(("method", "path", "allow"), [("POST", "/leader", "GET, HEAD"), ("GET", "/resign", "POST")])
async def test_a_wrong_method_is_told_the_right_ones(
    workload: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    assert (await workload.request(method, path)).headers["Allow"] == allow


async def test_a_fault_of_ours_is_a_problem_that_gives_nothing_away(failing: httpx.AsyncClient) -> None:
    answer = await failing.get("/leader")
    assert_problem(answer, 500)
    assert "secret" not in answer.text


@pytest.mark.parametrize("host", ["[", "a:b", "", "x" * 1000])
async def test_the_pods_listener_takes_any_host(pod: httpx.AsyncClient, host: str) -> None:
    assert (await pod.get("/healthz", headers={"Host": host})).status_code == 200
    assert_problem(await pod.get("/nowhere", headers={"Host": host}), 404)


async def test_healthz_says_why_it_is_wedged(
    workload: httpx.AsyncClient, pod: httpx.AsyncClient, health: FakeHealth
) -> None:
    for client in (workload, pod):
        health.wedge = None
        assert (await client.get("/healthz")).status_code == 200
        health.wedge = "the loop stood still"
        answer = await client.get("/healthz")
        assert_problem(answer, 503)
        assert answer.json()["detail"] == "the loop stood still"


async def test_healthz_judges_after_the_callbacks_that_were_due(
    workload: httpx.AsyncClient, health: FakeHealth
) -> None:
    health.wedge = "the loop stood still"

    def look_at_the_clock() -> None:
        health.wedge = None

    asyncio.get_running_loop().call_soon(look_at_the_clock)
    assert (await workload.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("path", "unready", "strictly_unready", "status"),
    [
        ("/readyz", None, None, 200),
        ("/readyz", "not initialised", None, 503),
        ("/readyz", None, "label behind", 200),
        ("/readyz?strict", None, "label behind", 503),
        ("/readyz?strict=true", None, "label behind", 503),
        ("/readyz?strict=false", None, "label behind", 200),
        ("/readyz?strict", None, None, 200),
    ],
)
async def test_readyz_asks_for_more_when_strict(
    workload: httpx.AsyncClient,
    health: FakeHealth,
    path: str,
    unready: str | None,
    strictly_unready: str | None,
    status: int,
) -> None:
    health.unreadiness, health.strict_unreadiness = unready, strictly_unready
    assert (await workload.get(path)).status_code == status


async def test_candidates_are_numbered_in_order_and_nameless_ones_shown_by_lease(workload: httpx.AsyncClient) -> None:
    assert (await workload.get("/candidates")).json() == {
        "election": "web",
        "revision": 40,
        "candidates": [
            {"name": "b2", "id": "b2", "position": 1, "token": 12},
            {"name": "web-0", "id": "a1", "position": 2, "token": 17},
        ],
    }


async def test_candidates_without_etcd_are_a_503_problem(workload: httpx.AsyncClient, election: FakeElection) -> None:
    election.etcd_error = EtcdUnavailable("no answer in 1.25 s")
    assert_problem(await workload.get("/candidates"), 503)


async def test_history_tells_each_transition(workload: httpx.AsyncClient) -> None:
    assert (await workload.get("/history")).json() == {
        "transitions": [
            {
                "at": "2023-11-14T22:13:20.500Z",
                "from": "waiting",
                "to": "leading",
                "reason": "elected",
                "token": 17,
                "duration_seconds": 3.25,
            }
        ]
    }


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html"])
async def test_the_root_names_the_leader(workload: httpx.AsyncClient, accept: str) -> None:
    assert (await workload.get("/", headers={"Accept": accept})).json() == {"name": "web-0"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("", "text/plain"), ("text/html", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
)
async def test_metrics_come_in_the_format_asked_for(workload: httpx.AsyncClient, accept: str, media_type: str) -> None:
    answer = await workload.get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(media_type)
    assert "leader_sidecar_etcd_outdated 0.0" in answer.text


@pytest.mark.parametrize(
    ("path", "drain"),
    [("/resign", False), ("/resign?drain", True), ("/resign?drain=true", True), ("/resign?drain=false", False)],
)
async def test_resign_gives_the_lead_up(
    workload: httpx.AsyncClient, election: FakeElection, path: str, drain: bool
) -> None:
    answer = await workload.post(path)
    assert (answer.status_code, election.resigned) == (204, [drain])


async def test_a_follower_cannot_resign(workload: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = FOLLOWING
    assert_problem(await workload.post("/resign"), 409)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 204),
        ({"headers": {"Content-Type": "text/plain"}}, 204),
        ({"content": b"{}", "headers": {"Content-Type": "Application/JSON; charset=utf-8"}}, 204),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{}"}, 415),
        ({"data": {"drain": "1"}}, 415),
        ({"content": b"{", "headers": JSON}, 400),
        ({"content": b"\xff", "headers": JSON}, 400),
        ({"content": b"[" * 60_000, "headers": JSON}, 400),
        ({"content": b'{"drain": true}', "headers": JSON}, 422),
        ({"content": b"[]", "headers": JSON}, 422),
        ({"content": b"x" * (MOST_BODY_BYTES + 1), "headers": JSON}, 413),
    ],
)
async def test_resign_takes_no_body_but_an_empty_object(
    workload: httpx.AsyncClient, election: FakeElection, sent: dict[str, Any], status: int
) -> None:
    answer = await workload.post("/resign", **sent)
    assert answer.status_code == status
    assert election.resigned == ([False] if status == 204 else [])


@pytest.mark.parametrize("to", ["web-1", "b2"])
async def test_transfer_hands_the_lead_over(workload: httpx.AsyncClient, election: FakeElection, to: str) -> None:
    answer = await workload.post("/transfer", json={"to": to})
    assert (answer.status_code, answer.content, election.transferred) == (204, b"", [to])


async def test_a_follower_has_nothing_to_hand_over(workload: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = FOLLOWING
    assert_problem(await workload.post("/transfer", json={"to": "web-1"}), 409)


async def test_an_unknown_candidate_is_named_in_the_404(workload: httpx.AsyncClient) -> None:
    answer = await workload.post("/transfer", content=rb'{"to": "web-\ud800"}', headers=JSON)
    assert_problem(answer, 404)
    assert "web-" in answer.json()["detail"]


async def test_why_a_lead_cannot_be_handed_over_is_said_with_409(workload: httpx.AsyncClient) -> None:
    answer = await workload.post("/transfer", json={"to": "web-0"})
    assert_problem(answer, 409)
    assert answer.json()["detail"] == "web-0 leads already"


async def test_a_transfer_that_etcd_does_not_answer_is_a_503(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    election.etcd_error = EtcdUnavailable("no quorum")
    assert_problem(await workload.post("/transfer", json={"to": "web-1"}), 503)


@pytest.mark.parametrize(
    "body", [None, {}, [], "web-1", {"to": ""}, {"to": 1}, {"to": None}, {"to": "web-1", "now": 1}]
)
async def test_a_transfer_names_its_heir_and_nothing_else(
    workload: httpx.AsyncClient, election: FakeElection, body: Any
) -> None:
    assert_problem(await workload.post("/transfer", json=body), 422)
    assert election.transferred == []


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    assert_problem(await workload.post("/resign", content=endless(), headers=JSON), 413)
    assert election.resigned == []


async def test_openapi_describes_the_503s_and_offers_head_for_each_get(workload: httpx.AsyncClient) -> None:
    paths = (await workload.get("/openapi.json")).json()["paths"]
    assert set(paths) == {"/", "/leader", "/leader/watch", "/leader/hold", "/healthz", "/readyz", "/candidates",
                          "/history", "/metrics", "/resign", "/transfer", "/state/{key}"}  # fmt: skip
    for path in ("/leader", "/healthz", "/readyz", "/candidates"):
        assert "503" in paths[path]["get"]["responses"]
    for path, operations in paths.items():
        assert ("head" in operations) == ("get" in operations), path
        for operation in operations.values():
            assert {"403", "421"} <= set(operation["responses"])
    resign = paths["/resign"]["post"]["responses"]
    assert {"204", "400", "408", "409", "413", "415", "422"} <= set(resign)
    transfer = paths["/transfer"]["post"]["responses"]
    assert {"204", "400", "404", "408", "409", "413", "415", "422", "503"} <= set(transfer)
