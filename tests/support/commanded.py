"""``exec`` under test: a process, whose command writes down when it lived; and a sidecar that says what it is told."""

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.children import Child, Deadline, free_ports

ROOT = Path(__file__).parents[2]
BEATER = Path(__file__).with_name("beater.py")
PATIENCE_SECONDS = 60.0
TTL_SECONDS = 4
"""A shorter one may run out on a busy machine, and the command is told to end, as it should be."""
WITHOUT_PACKAGES = [
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sidecar.workload.exec.program import main; main()",
]
"""The commands of the one-file form, by a Python that finds no package but ours."""


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Beat:
    """One line of what the command wrote."""

    at_ns: int
    pid: int
    token: int
    what: str


class Beats:
    """What the command wrote down, and how to have it write."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def command(self, *modes: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(BEATER), str(self.file), *modes]

    def all(self) -> list[Beat]:
        if not self.file.exists():
            return []
        lines = self.file.read_text().splitlines()
        return [Beat(int(at), int(pid), int(token), what) for at, pid, token, what in (x.split(" ", 3) for x in lines)]

    def starts(self) -> list[Beat]:
        return [beat for beat in self.all() if beat.what == "start"]

    def signals(self) -> list[int]:
        return [int(beat.what.split()[1]) for beat in self.all() if beat.what.startswith("signal")]

    def wait_for(self, what: str, holds: Callable[[list[Beat]], bool]) -> list[Beat]:
        deadline = Deadline(PATIENCE_SECONDS)
        while deadline.goes_on():
            if holds(found := self.all()):
                return found
        raise AssertionError(f"the command never wrote {what}: {self.all()[-5:]}")

    def wait_for_beats(self, *, since_ns: int = 0, pids: int = 1) -> list[Beat]:
        """Until so many processes have written one at ``since_ns`` or later."""
        return self.wait_for(
            f"{pids} beat(s) since {since_ns}",
            lambda beats: len({beat.pid for beat in beats if beat.what == "beat" and beat.at_ns >= since_ns}) >= pids,
        )

    def wait_for_starts(self, count: int) -> list[Beat]:
        self.wait_for(f"{count} starts", lambda beats: sum(beat.what == "start" for beat in beats) >= count)
        return self.starts()

    def check(self) -> None:
        """No command of one leadership wrote anything after that of a later one had begun."""
        by_token: dict[int, list[int]] = {}
        for beat in self.all():
            by_token.setdefault(beat.token, []).append(beat.at_ns)
        tokens = sorted(by_token)
        for older, newer in itertools.pairwise(tokens):
            late_ns = max(by_token[older]) - min(by_token[newer])
            assert late_ns < 0, f"the command of token {older} lived {late_ns / 1e6} ms into that of {newer}"

    def wait_until_gone(self) -> Beat:
        """Every process that ever wrote has ended; the last thing written."""
        deadline = Deadline(PATIENCE_SECONDS)
        while deadline.goes_on():
            if not any(_runs(pid) for pid in {beat.pid for beat in self.all()}):
                return self.all()[-1]
        raise AssertionError(f"the command goes on: {self.all()[-5:]}")

    def wait_until_still(self) -> Beat:
        """Nothing was written for a while, though something may still be there; the last thing written."""
        deadline = Deadline(PATIENCE_SECONDS, poll_seconds=0.5)
        before = -1
        while deadline.goes_on():
            found = self.all()
            if len(found) == before:
                return found[-1]
            before = len(found)
        raise AssertionError("the command goes on")


def _runs(pid: int) -> bool:
    """Whether there is such a process; a zombie is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def guard_of(supervisor: Child) -> int:
    """The process id of its guard, its only child."""
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == supervisor.pid:
                return int(entry)
    raise AssertionError(f"{supervisor.name} has no guard")


def client(folder: Path, address: str, command: Sequence[str], *flags: str, name: str = "exec") -> Child:
    """The client form."""
    arguments = ["exec", f"--sidecar={address}", *flags, "--", *command]
    return Child(name, [*WITHOUT_PACKAGES, *arguments], folder / f"{name}.log")


class OwnExec(Child):
    """``leader-sidecar exec`` that stands for election itself, on free ports."""

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Sequence[str],
        *flags: str,
        etcd_endpoints: str,
        lock_name: str,
        ttl_seconds: int = TTL_SECONDS,
    ) -> None:
        self.port, probe_port = free_ports(2)
        own = [
            "--election=e",
            f"--identity={name}",
            f"--lock-name={lock_name}",
            f"--ttl={ttl_seconds}",
            f"--etcd-endpoints={etcd_endpoints}",
            f"--listen=127.0.0.1:{self.port}",
            f"--probe-listen=127.0.0.1:{probe_port}",
            "--no-labels",
            "--log-format=json",
        ]
        super().__init__(
            name, [sys.executable, "-m", "sidecar", "exec", *own, *flags, "--", *command], folder / f"{name}.log"
        )

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Status, and the body of a JSON answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None
        finally:
            connection.close()

    def wait_until(self, state: str) -> dict[str, Any]:
        """The body of ``/leader`` once it says this state."""
        deadline = Deadline(PATIENCE_SECONDS)
        while deadline.goes_on() and self.alive:
            try:
                _, body = self.ask("GET", "/leader")
            except OSError:
                continue
            if body["state"] == state:
                return dict(body)
        raise AssertionError(f"{self.name} is not {state}:\n{self.output()[-4000:]}")


class FakeSidecar(ThreadingHTTPServer):
    """Answers ``/leader`` and its long poll as told, with a validity that ends ``span_seconds`` after each answer."""

    daemon_threads = True

    def __init__(self, span_seconds: float = 2.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.span_ns = int(span_seconds * 1e9)
        self.changed = threading.Condition()
        self.token: int | None = None
        self.state = "waiting"
        self.version = 1
        self.silent = False
        self.asked = 0
        self.told_until_ns = 0
        self.resigned: list[int] = []
        self.refuses_to_resign = False

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def lead(self, token: int) -> None:
        self._set(token, "leading")

    def follow(self, state: str = "waiting") -> None:
        self._set(None, state)

    def fall_silent(self) -> int:
        """Answer nothing more; the last validity that was told ends then."""
        with self.changed:
            self.silent = True
            self.changed.notify_all()
            return self.told_until_ns

    def speak(self) -> None:
        with self.changed:
            self.silent = False
            self.changed.notify_all()

    def _set(self, token: int | None, state: str) -> None:
        with self.changed:
            self.token, self.state, self.version = token, state, self.version + 1
            self.changed.notify_all()

    def body(self) -> dict[str, Any]:
        until = None if self.token is None else boottime_ns() + self.span_ns
        self.told_until_ns = until or self.told_until_ns
        return {
            "election": "e",
            "name": "me",
            "id": "1",
            "is_leader": self.token is not None,
            "leader": "me" if self.token else "other",
            "leader_id": "1" if self.token else "2",
            "token": self.token,
            "valid_until_boottime_ns": until,
            "state": self.state,
            "version": f"v.{self.version}",
        }


class _Handler(BaseHTTPRequestHandler):
    server: FakeSidecar
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        with self.server.changed:
            self.server.asked += 1
            if "since" in query:
                self.server.changed.wait_for(
                    lambda: f"v.{self.server.version}" != query["since"][0] or self.server.silent,
                    float(query["wait"][0]),
                )
            self.server.changed.wait_for(lambda: not self.server.silent)
            self._answer(200 if self.server.token is not None else 503, self.server.body())

    def do_POST(self) -> None:
        with self.server.changed:
            if self.server.refuses_to_resign:
                self._answer(500, None)
                return
            led = self.server.token
            if led is not None:
                self.server.resigned.append(led)
        if led is not None:
            self.server.follow()
        self._answer(409 if led is None else 204, None)

    def _answer(self, status: int, body: dict[str, Any] | None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            if body is not None and body["token"] is not None:
                self.send_header("X-Leader-Token", str(body["token"]))
                self.send_header("X-Leader-Valid-Ms", str(self.server.span_ns // 1_000_000))
            self.end_headers()
            self.wfile.write(raw)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass
