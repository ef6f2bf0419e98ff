"""``leader-sidecar status`` asks the sidecar of its pod, and shows it to people and to programs."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.cli.status import show
from sidecar.cli.status.ask import Pod
from sidecar.errors import EtcdUnavailable, ExitCode
from sidecar.http.body import leader_body
from sidecar.http.server import HttpServer
from tests.support.http import FOLLOWING, LEADING, FakeElection, FakeHealth, serving_in_thread

Outcome = tuple[int, str, str]


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@pytest.fixture
def health() -> FakeHealth:
    return FakeHealth()


@pytest.fixture
def server(election: FakeElection, health: FakeHealth) -> Iterator[HttpServer]:
    with serving_in_thread(election, health) as server:
        yield server


@pytest.fixture
def status(
    server: HttpServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    monkeypatch.setenv("LEADER_SIDECAR_LISTEN", f"localhost:{server.workload.port}")

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exited:
            main(["status", *arguments])
        assert isinstance(exited.value.code, int)
        return exited.value.code, *capsys.readouterr()

    return run


def lines(out: str) -> dict[str, str]:
    return {line[:10].strip(): line[10:].strip() for line in out.splitlines()}


def test_a_leader_is_shown_to_people(status: Callable[..., Outcome]) -> None:
    code, out, err = status()
    shown = lines(out)
    assert (code, err) == (ExitCode.OK, "")
    assert (shown["leader"], shown["this pod"], shown["token"]) == ("web-0", "web-0, lease a1", "17")
    assert shown["state"] == "leading since 2023-11-14T22:13:20.250Z"
    assert (shown["health"], shown["ready"], shown["in sync"], shown["label"]) == ("ok", "yes", "yes", "none")


def test_whoever_leads_the_answer_is_no_failure(status: Callable[..., Outcome], election: FakeElection) -> None:
    election.shown = FOLLOWING
    code, out, _ = status()
    shown = lines(out)
    assert (code, shown["leader"], shown["position"]) == (ExitCode.OK, "web-1", "2")
    assert (shown["token"], shown["valid for"]) == ("-", "-")


def test_what_is_wrong_comes_with_its_reason(
    status: Callable[..., Outcome], election: FakeElection, health: FakeHealth
) -> None:
    election.shown = replace(LEADING, at_risk=True)
    health.wedge, health.unreadiness = "stuck", "not initialised"
    shown = lines(status()[1])
    assert shown["state"].endswith(", at risk")
    assert (shown["health"], shown["ready"], shown["in sync"]) == (
        "stuck",
        "no: not initialised",
        "no: not initialised",
    )


def test_programs_get_the_body_of_leader_and_the_rest_as_values(
    status: Callable[..., Outcome], health: FakeHealth
) -> None:
    health.strict_unreadiness = "label behind"
    code, out, _ = status("--output", "json")
    told = json.loads(out)
    assert (code, told["leader"]["token"], told["leader"]["valid_for_ms"]) == (ExitCode.OK, 17, 2000)
    assert (told["unhealthy"], told["unready"], told["out_of_sync"]) == (None, None, "label behind")
    assert "candidates" not in told


def test_the_queue_is_a_table_in_order_that_marks_the_leader_and_this_pod(status: Callable[..., Outcome]) -> None:
    code, out, err = status("--all")
    assert (code, err) == (ExitCode.OK, "")
    head, *rows = (line.split() for line in out.splitlines())
    assert head == ["POSITION", "NAME", "ROLE", "LABEL", "TOKEN", "VALID", "FOR", "LEASE"]
    assert rows[0] == ["1", "b2", "waiting", "-", "12", "-", "b2"]
    assert rows[1][:6] == ["2", "web-0", "(this", "pod)", "leader", "-"]


def test_the_queue_for_programs_says_the_same(status: Callable[..., Outcome]) -> None:
    first, second = json.loads(status("--all", "--output=json")[1])["candidates"]
    assert (first["name"], first["leads"], first["this_pod"], first["label"]) == ("b2", False, False, None)
    assert (second["position"], second["leads"], second["this_pod"], second["token"]) == (2, True, True, 17)


def test_nobody_is_shown_as_leading_while_nobody_is_known_to(
    status: Callable[..., Outcome], election: FakeElection
) -> None:
    election.shown = replace(FOLLOWING, leader=None, leader_id="b2")
    assert {candidate["leads"] for candidate in json.loads(status("--all", "--output=json")[1])["candidates"]} == {None}
    assert "leader" not in status("--all")[1]


def test_a_queue_that_cannot_be_read_is_69_with_the_sidecars_own_words(
    status: Callable[..., Outcome], election: FakeElection
) -> None:
    election.etcd_error = EtcdUnavailable("no answer in 1.25 s")
    assert status("--all") == (
        ExitCode.UNAVAILABLE,
        "",
        "leader-sidecar: the queue is not known: etcd: no answer in 1.25 s\n",
    )
    assert status()[0] == ExitCode.OK


def test_a_sidecar_that_is_not_there_is_69_and_named_with_its_address(status: Callable[..., Outcome]) -> None:
    code, out, err = status("--listen", "127.0.0.1:1")
    assert (code, out, err.count("\n")) == (ExitCode.UNAVAILABLE, "", 1)
    assert "127.0.0.1:1" in err


class Stranger(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff"])
def test_another_program_on_that_port_is_69(
    status: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(Stranger, "body", body)
    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        code, out, err = status("--listen", f"127.0.0.1:{stranger.server_port}")
        stranger.shutdown()
        thread.join()
    assert (code, out) == (ExitCode.UNAVAILABLE, "")
    assert err.endswith("is no sidecar\n")


def pod(**more: Any) -> Pod:
    return Pod({**leader_body(LEADING, deadline=None, now=None), **more}, 8.94, True, None, None, None)


def test_the_validity_is_what_is_left_without_a_renewal_and_the_label_of_a_pod_is_the_apis() -> None:
    queue = [
        {"name": "web-0", "id": "a1", "position": 1, "token": 17},
        {"name": "x", "id": "b", "position": 2, "token": 18},
    ]
    shown = show.candidates(pod(), queue, {"web-0": "leader", "x": "follower"})
    first, second = (line.split() for line in show.queue_text(shown).splitlines()[1:])
    assert first == ["1", "web-0", "(this", "pod)", "leader", "leader", "17", "8.9", "s", "a1"]
    assert second == ["2", "x", "waiting", "follower", "18", "-", "b"]


def test_a_name_makes_no_terminal_do_things() -> None:
    name = "\x1b[2Jx\r\n\u202ey"
    queue = [{"name": name, "id": "a1", "position": 1, "token": 17}]
    for text in (show.pod_text(pod(leader=name)), show.queue_text(show.candidates(pod(), queue, {name: "\x1b"}))):
        assert not {"\x1b", "\r", "\u202e"} & set(text)
        assert "[2Jx" in text


def test_asking_loads_nothing_that_only_a_running_sidecar_needs(status: Callable[..., Outcome]) -> None:
    """Memory of the sidecar's container is shared with what is run in it."""
    heavy = {"grpc", "fastapi", "uvicorn", "kubernetes", "prometheus_client", "pydantic"}
    program = (
        "import sys\nfrom sidecar.cli import main\n"
        "try:\n    main(['status', '--all'])\n"
        f"finally:\n    sys.stderr.write(','.join(sorted({heavy!r} & sys.modules.keys())))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
