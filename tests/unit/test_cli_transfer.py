"""``leader-sidecar transfer`` asks the sidecar of its pod, and says how it went by its exit code."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sidecar.cli import main
from sidecar.errors import ExitCode


class Listener(HTTPServer):
    """A workload's listener that gives one answer to all and keeps what was asked."""

    status, detail = 204, ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None, object]] = []


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.end_headers()
        if self.server.detail:
            self.wfile.write(json.dumps({"title": "t", "detail": self.server.detail}).encode())

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
def transfer(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("LEADER_SIDECAR_LISTEN", f"127.0.0.1:{listener.server_port}")

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as exited:
            main(["transfer", *arguments])
        assert isinstance(exited.value.code, int)
        return exited.value.code

    return run


def test_it_names_the_heir(transfer: Callable[..., int], listener: Listener) -> None:
    assert transfer("wörker-1") == ExitCode.OK
    assert listener.asked == [("/transfer", "application/json", {"to": "wörker-1"})]


@pytest.mark.parametrize(
    ("status", "code"), [(404, ExitCode.USAGE), (409, ExitCode.TEMPORARY), (503, ExitCode.UNAVAILABLE)]
)
def test_a_refusal_is_told_in_the_sidecars_own_words(
    transfer: Callable[..., int], listener: Listener, capsys: pytest.CaptureFixture[str], status: int, code: ExitCode
) -> None:
    listener.status, listener.detail = status, "because of that"
    assert transfer("b") == code
    assert capsys.readouterr().err == "leader-sidecar: because of that\n"


def test_without_a_name_it_is_wrong_usage(transfer: Callable[..., int], listener: Listener) -> None:
    assert transfer() == ExitCode.USAGE
    assert listener.asked == []


def test_no_sidecar_there_is_told_with_its_address(
    transfer: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert transfer("b", "--listen", "127.0.0.1:1") == ExitCode.UNAVAILABLE
    assert "127.0.0.1:1" in capsys.readouterr().err
