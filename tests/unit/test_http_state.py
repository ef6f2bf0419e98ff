"""``/state/{key}``: every pod reads, the leader writes, and no write goes through that names nothing it has read."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sidecar.errors import EtcdError, EtcdUnavailable, NoSpace
from sidecar.etcd.port import Value
from sidecar.http.app import build_pod_app, build_workload_app
from sidecar.http.held import Held
from sidecar.http.request import MOST_BODY_BYTES
from sidecar.metrics import Metrics
from tests.support.http import FOLLOWING, LEADING, FakeElection, FakeHealth, FixedClock
from tests.unit.test_http_app import assert_problem

CONTENT = b"\x00\xff\r\n<script>"
CREATE = {"If-None-Match": "*"}
AT_40 = {"If-Match": '"40"'}


@pytest.fixture
def election() -> FakeElection:
    election = FakeElection(LEADING)
    election.state.values["x"] = Value(CONTENT, 40)
    return election


@pytest.fixture
async def workload(election: FakeElection) -> AsyncIterator[httpx.AsyncClient]:
    app = build_workload_app(election, FakeHealth(), Metrics(), FixedClock(), Held(10))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


def follow(election: FakeElection) -> None:
    election.shown, election.state.leads = FOLLOWING, False


# reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leads", [True, False])
async def test_every_pod_reads_the_bytes_as_they_were_put(
    workload: httpx.AsyncClient, election: FakeElection, leads: bool
) -> None:
    if not leads:
        follow(election)
    answer = await workload.get("/state/x")
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (200, CONTENT, '"40"')
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_an_empty_value_is_a_value(workload: httpx.AsyncClient, election: FakeElection) -> None:
    election.state.values["x"] = Value(b"", 40)
    answer = await workload.get("/state/x")
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (200, b"", '"40"')


async def test_head_tells_the_etag_and_the_length(workload: httpx.AsyncClient) -> None:
    answer = await workload.head("/state/x")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"40"')
    assert answer.headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_reader_that_has_the_value_is_told_so_without_it(workload: httpx.AsyncClient, method: str) -> None:
    answer = await workload.request(method, "/state/x", headers={"If-None-Match": '"39", "40"'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"40"')
    assert (await workload.request(method, "/state/x", headers={"If-None-Match": '"39"'})).status_code == 200


async def test_leader_is_never_304(workload: httpx.AsyncClient) -> None:
    answer = await workload.get("/leader", headers={"If-None-Match": "*"})
    assert (answer.status_code, "ETag" in answer.headers) == (200, False)


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}])
async def test_a_value_that_is_not_there_is_404(workload: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert_problem(await workload.get("/state/y", headers=headers), 404)


# writing --------------------------------------------------------------------------------------------------------------


async def test_a_put_creates_what_is_not_there_and_answers_its_etag(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    answer = await workload.put("/state/y", content=CONTENT, headers=CREATE)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (201, b"", '"41"')
    assert election.state.values["y"] == Value(CONTENT, 41)


async def test_a_put_replaces_what_was_read_and_answers_the_new_etag(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    answer = await workload.put("/state/x", content=b"new", headers=AT_40)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (204, b"", '"41"')
    assert election.state.values["x"] == Value(b"new", 41)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "nonsense"])
async def test_a_put_of_any_content_type_keeps_the_bytes_alone(workload: httpx.AsyncClient, content_type: str) -> None:
    answer = await workload.put("/state/x", content=b"{", headers=AT_40 | {"Content-Type": content_type})
    assert answer.status_code == 204
    assert (await workload.get("/state/x")).headers["Content-Type"] == "application/octet-stream"


async def test_a_delete_of_what_was_read_leaves_nothing(workload: httpx.AsyncClient, election: FakeElection) -> None:
    answer = await workload.delete("/state/x", headers=AT_40)
    assert (answer.status_code, answer.content, "ETag" in answer.headers) == (204, b"", False)
    assert election.state.values == {}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/state/x", CREATE),
        ("PUT", "/state/x", {"If-Match": '"39"'}),
        ("PUT", "/state/x", {"If-Match": 'W/"40"'}),
        ("PUT", "/state/x", {"If-Match": '"0"'}),
        ("PUT", "/state/x", AT_40 | CREATE),
        ("PUT", "/state/y", AT_40),
        ("PUT", "/state/y", {"If-Match": '"0"'}),
        ("DELETE", "/state/x", {"If-Match": '"39"'}),
        ("DELETE", "/state/y", AT_40),
        ("DELETE", "/state/y", {"If-Match": '"0"'}),
    ],
)
async def test_a_write_that_expects_another_value_is_412_and_does_nothing(
    workload: httpx.AsyncClient, election: FakeElection, method: str, path: str, headers: dict[str, str]
) -> None:
    assert_problem(await workload.request(method, path, content=b"new", headers=headers), 412)
    assert election.state.values == {"x": Value(CONTENT, 40)}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_late_repeat_is_412(workload: httpx.AsyncClient, method: str) -> None:
    assert (await workload.request(method, "/state/x", content=b"new", headers=AT_40)).status_code == 204
    assert_problem(await workload.request(method, "/state/x", content=b"new", headers=AT_40), 412)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {}, 428),
        ("PUT", {"If-Match": "*"}, 428),
        ("PUT", {"If-None-Match": '"39"'}, 428),
        ("DELETE", {}, 428),
        ("DELETE", {"If-Match": "*"}, 428),
        ("DELETE", {"If-None-Match": "*"}, 428),
        ("PUT", {"If-Match": "40"}, 400),
        ("PUT", {"If-Match": '"39", "40"'}, 400),
        ("DELETE", {"If-Match": "40"}, 400),
    ],
)
async def test_a_write_that_names_no_value_is_refused_whoever_leads(
    workload: httpx.AsyncClient, election: FakeElection, method: str, headers: dict[str, str], status: int
) -> None:
    assert_problem(await workload.request(method, "/state/x", content=b"new", headers=headers), status)
    follow(election)
    assert_problem(await workload.request(method, "/state/x", content=b"new", headers=headers), status)
    assert election.state.values == {"x": Value(CONTENT, 40)}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_who_does_not_lead_writes_nothing(
    workload: httpx.AsyncClient, election: FakeElection, method: str
) -> None:
    follow(election)
    assert_problem(await workload.request(method, "/state/x", content=b"new", headers=AT_40), 409)
    assert election.state.values == {"x": Value(CONTENT, 40)}


async def test_who_loses_the_lead_while_the_body_arrives_writes_nothing(
    workload: httpx.AsyncClient, election: FakeElection
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"n"
        follow(election)
        yield b"ew"

    assert_problem(await workload.put("/state/x", content=body(), headers=AT_40), 409)
    assert election.state.values == {"x": Value(CONTENT, 40)}


# bounds ---------------------------------------------------------------------------------------------------------------


async def arriving(chunks: int, asked: list[int]) -> AsyncIterator[bytes]:
    """A body without an announced length, 1 KiB a chunk; ``asked`` is how far it was read."""
    for number in range(chunks):
        asked.append(number)
        yield bytes(1024)


async def test_64_kib_are_taken(workload: httpx.AsyncClient, election: FakeElection) -> None:
    assert MOST_BODY_BYTES == 65536
    assert (await workload.put("/state/x", content=bytes(65536), headers=AT_40)).status_code == 204
    assert len(election.state.values["x"].content) == 65536


async def test_a_byte_more_is_413(workload: httpx.AsyncClient, election: FakeElection) -> None:
    assert_problem(await workload.put("/state/x", content=bytes(65537), headers=AT_40), 413)
    assert election.state.values == {"x": Value(CONTENT, 40)}


@pytest.mark.parametrize(("chunks", "status"), [(64, 204), (65, 413), (1000, 413)])
async def test_a_body_of_unknown_length_is_counted_as_it_arrives(
    workload: httpx.AsyncClient, chunks: int, status: int
) -> None:
    asked: list[int] = []
    answer = await workload.put("/state/x", content=arriving(chunks, asked), headers=AT_40)
    assert answer.status_code == status
    assert len(asked) <= 66, "what is too much is not read to its end"


async def test_a_follower_does_not_read_the_body(workload: httpx.AsyncClient, election: FakeElection) -> None:
    follow(election)
    asked: list[int] = []
    answer = await workload.put("/state/x", content=arriving(1000, asked), headers=AT_40)
    assert (answer.status_code, asked) == (409, [])


# keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a", "A-Z_0.9", "-", "...", "x" * 128])
async def test_keys_are_letters_digits_dots_dashes_and_underscores(workload: httpx.AsyncClient, key: str) -> None:
    assert (await workload.put(f"/state/{key}", content=b"v", headers=CREATE)).status_code == 201
    assert (await workload.get(f"/state/{key}")).content == b"v"


@pytest.mark.parametrize("key", ["x" * 129, "a b", "a%0A", "%C3%A9", "a:b", "a%00"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_keys_are_refused(
    workload: httpx.AsyncClient, election: FakeElection, method: str, key: str
) -> None:
    headers = CREATE if method == "PUT" else AT_40
    assert_status = (await workload.request(method, f"/state/{key}", content=b"v", headers=headers)).status_code
    assert assert_status == 422
    assert set(election.state.values) == {"x"}


@pytest.mark.parametrize("path", ["/state", "/state/", "/state/a/b", "/state/a%2Fb", "/state/x/"])
async def test_there_is_no_list_and_no_deeper_path(workload: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "PUT"):
        assert_problem(await workload.request(method, path, headers=CREATE), 404)


# trouble --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"), [(EtcdUnavailable("no answer"), 503), (NoSpace("database space exceeded"), 507)]
)
async def test_etcds_trouble_is_told(
    workload: httpx.AsyncClient, election: FakeElection, error: EtcdError, status: int
) -> None:
    election.state.error = error
    for method in ("PUT", "DELETE"):
        answer = await workload.request(method, "/state/x", content=b"new", headers=AT_40)
        assert_problem(answer, status)
        assert str(error) in answer.json()["detail"]


async def test_a_read_that_etcd_does_not_answer_is_503(workload: httpx.AsyncClient, election: FakeElection) -> None:
    election.state.error = EtcdUnavailable("no answer")
    assert_problem(await workload.get("/state/x"), 503)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "state.example"}, 421), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403)],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_page_of_elsewhere_neither_reads_nor_writes(
    workload: httpx.AsyncClient, election: FakeElection, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await workload.request(method, "/state/x", content=b"new", headers=AT_40 | headers)
    assert_problem(answer, status)
    assert election.state.values == {"x": Value(CONTENT, 40)}


async def test_another_method_is_told_the_right_ones(workload: httpx.AsyncClient) -> None:
    answer = await workload.post("/state/x")
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, PUT"


async def test_the_pods_listener_has_no_state(election: FakeElection) -> None:
    app = build_pod_app(election, FakeHealth(), Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as pod:
        for method in ("GET", "PUT", "DELETE"):
            assert_problem(await pod.request(method, "/state/x", headers=AT_40), 404)


async def test_the_document_describes_every_answer(workload: httpx.AsyncClient) -> None:
    paths = (await workload.get("/openapi.json")).json()["paths"]["/state/{key}"]
    refusals = {"400", "403", "409", "412", "421", "422", "428", "503", "507"}
    assert set(paths["get"]["responses"]) == {"200", "304", "403", "404", "421", "422", "503"}
    assert set(paths["head"]["responses"]) == set(paths["get"]["responses"])
    assert set(paths["put"]["responses"]) == refusals | {"201", "204", "408", "413"}
    assert set(paths["delete"]["responses"]) == refusals | {"204"}
    names = [{part["name"] for part in paths[method]["parameters"]} for method in ("get", "head", "put", "delete")]
    read, write = {"key", "If-None-Match"}, {"key", "If-Match", "If-None-Match"}
    assert names == [read, read, write, {"key", "If-Match"}]
