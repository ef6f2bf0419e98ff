"""Sidecars as what they are in production: processes of their own, asked over HTTP."""

import http.client
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.children import Child, Deadline, free_ports

_PATIENCE_SECONDS = 60


class Unreachable(Exception):
    """The sidecar gave no HTTP answer."""


class SidecarProcess(Child):
    """``python -m sidecar run`` on free ports of 127.0.0.1, without labels unless ``flags`` say so.

    ``flags`` come last and so win. The environment is this process' own without anything that configures a sidecar,
    plus ``environment``. What it prints is in ``<folder>/<identity>.log``.
    """

    def __init__(
        self,
        identity: str,
        *,
        etcd_endpoints: str,
        lock_name: str,
        folder: Path,
        election: str = "e",
        ttl_seconds: int = 3,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.identity = identity
        self.port, self.probe_port = free_ports(2)
        command = [
            sys.executable,
            "-m",
            "sidecar",
            "run",
            f"--election={election}",
            f"--identity={identity}",
            f"--lock-name={lock_name}",
            f"--ttl={ttl_seconds}",
            f"--etcd-endpoints={etcd_endpoints}",
            f"--listen=127.0.0.1:{self.port}",
            f"--probe-listen=127.0.0.1:{self.probe_port}",
            "--no-labels",
            "--log-format=json",
            *flags,
        ]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LEADER_SIDECAR_", "POD_", "KUBERNETES_"))}
        super().__init__(identity, command, folder / f"{identity}.log", environment=clean | dict(environment or {}))

    @property
    def url(self) -> str:
        """The workload's listener."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: dict[str, str] | None = None,
        timeout_seconds: float = 5,
        probe_listener: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON body, the text of another body under ``text``. ``body`` is sent as JSON.

        Raises ``Unreachable``.
        """
        port = self.probe_port if probe_listener else self.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
        try:
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.identity}: {method} {path}: {error!r}") from error
        finally:
            connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, json.loads(raw) if is_json and raw else {"text": raw.decode(errors="replace")}

    def leader(self) -> tuple[int, dict[str, Any]]:
        return self.ask("/leader")

    def leads(self) -> bool:
        """Whether it answers 200; a sidecar that gives no answer does not."""
        try:
            return self.leader()[0] == 200
        except Unreachable:
            return False

    def resign(self, *, drain: bool = False) -> tuple[int, dict[str, Any]]:
        return self.ask("/resign?drain" if drain else "/resign", method="POST", timeout_seconds=30)

    def transfer(self, to: str) -> tuple[int, dict[str, Any]]:
        return self.ask("/transfer", method="POST", body={"to": to}, timeout_seconds=30)

    def wait_until_leading(self, timeout_seconds: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """The body of its 200. Raises ``AssertionError`` with its log when the time is up or the process has ended."""
        return self.wait_for(
            "leading", lambda body: bool(body["is_leader"]), status=200, timeout_seconds=timeout_seconds
        )

    def wait_until_waiting(self, timeout_seconds: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """Its key stands in the queue, behind another's."""
        return self.wait_for("waiting", lambda body: body["state"] == "waiting", timeout_seconds=timeout_seconds)

    def wait_until_it_knows(self, leader: str, timeout_seconds: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        return self.wait_for(
            f"a follower of {leader}", lambda body: body["leader"] == leader, timeout_seconds=timeout_seconds
        )

    def wait_for(
        self,
        what: str,
        holds: Callable[[dict[str, Any]], bool],
        *,
        status: int | None = None,
        timeout_seconds: float = _PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """Poll ``/leader`` until the body is as asked."""
        deadline, last = Deadline(timeout_seconds), "nothing asked yet"
        while deadline.goes_on() and self.alive:
            try:
                got, body = self.leader()
            except Unreachable as error:
                last = str(error)
                continue
            if status in (None, got) and holds(body):
                return body
            last = f"{got} {body}"
        ended = "" if self.alive else f"; it ended with {self.exit_code}"
        raise AssertionError(f"{self.identity} is not {what} after {timeout_seconds} s: {last}{ended}\n{self.output()}")

    def wait_until_healthy(self, timeout_seconds: float = _PATIENCE_SECONDS) -> None:
        deadline = Deadline(timeout_seconds)
        while deadline.goes_on() and self.alive:
            try:
                if self.ask("/healthz")[0] == 200:
                    return
            except Unreachable:
                continue
        raise AssertionError(f"{self.identity} is not healthy after {timeout_seconds} s\n{self.output()}")
