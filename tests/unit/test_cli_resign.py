"""``leader-sidecar resign`` asks the sidecar of its pod, and says how it went by its exit code."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sidecar.cli import main
from sidecar.errors import ExitCode


class Listener(HTTPServer):
    """A workload's listener that gives one answer to all and keeps what was asked."""

    status, body = 200, b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.hosts: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self.server.hosts.append(self.headers["Host"])
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def resign(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("LEADER_SIDECAR_LISTEN", f"127.0.0.1:{listener.server_port}")

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as exited:
            main(["resign", *arguments])
        assert isinstance(exited.value.code, int)
        return exited.value.code

    return run


def test_it_asks_for_localhost_whatever_address_is_listened_on(
    resign: Callable[..., int], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener serves no other name."""
    monkeypatch.setenv("LEADER_SIDECAR_LISTEN", f"0.0.0.0:{listener.server_port}")
    assert resign() == ExitCode.OK
    assert listener.hosts == ["localhost"]


def test_it_drains_first_unless_told_that_the_workload_has_stopped(
    resign: Callable[..., int], listener: Listener
) -> None:
    assert (resign(), resign("--now")) == (ExitCode.OK, ExitCode.OK)
    assert listener.asked == ["/resign?drain", "/resign"]


def test_a_follower_cannot_resign_and_the_sidecars_own_words_say_so(
    resign: Callable[..., int], listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.status, listener.body = 409, b'{"title": "Conflict", "detail": "this pod does not lead"}'
    assert resign() == ExitCode.TEMPORARY
    assert capsys.readouterr().err == "leader-sidecar: this pod does not lead\n"


def test_an_answer_that_is_no_problem_document_is_a_failure(
    resign: Callable[..., int], listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.status, listener.body = 404, b"<html>"
    assert resign() == ExitCode.UNAVAILABLE
    assert "404" in capsys.readouterr().err


def test_no_sidecar_there_is_told_with_its_address(
    resign: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert resign("--listen", "127.0.0.1:1") == ExitCode.UNAVAILABLE
    assert "127.0.0.1:1" in capsys.readouterr().err
