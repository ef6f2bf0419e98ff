"""One candidate of the demo: a sidecar process, what it says, and what is done to it."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.cli.demo import web
from sidecar.cli.demo.child import Child, DemoFailed
from sidecar.cli.demo.ports import free_ports

TTL_SECONDS = 3
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 0.02

Heard = Callable[["Candidate", dict[str, Any]], None]


class Candidate:
    """``said`` is its last ``/leader`` body; ``valid_until`` how long it may lead by that (``time.monotonic``)."""

    def __init__(self, name: str, etcd_url: str, directory: Path) -> None:
        self.name = name
        self.said: dict[str, Any] = {}
        self.valid_until = 0.0
        self.killed = False
        self._etcd_url, self._directory = etcd_url, directory
        self.port, self._probe_port = free_ports(2)
        self.child = self._start()

    @property
    def alive(self) -> bool:
        return self.child.alive

    @property
    def frozen(self) -> bool:
        return self.child.frozen

    @property
    def leads(self) -> bool:
        """By its own last word; a dead or frozen process has none."""
        return self.alive and not self.frozen and bool(self.said.get("is_leader"))

    @property
    def queued(self) -> bool:
        return self.alive and not self.frozen and self.said.get("position") is not None

    @property
    def valid_for_seconds(self) -> float:
        return max(0.0, self.valid_until - time.monotonic())

    @property
    def state(self) -> str:
        """One word for a person."""
        if self.killed:
            return "killed"
        return "frozen" if self.frozen else str(self.said.get("state", "starting"))

    def kill(self) -> None:
        self.killed = True
        self.said = {}
        self.child.kill()

    def restart(self) -> None:
        self.child = self._start()
        self.killed = False

    def freeze(self) -> None:
        self.child.freeze()

    def thaw(self) -> None:
        self.said = {}  # what it said before is not its word now
        self.child.thaw()

    async def resign(self) -> bool:
        """Whether it gave the lead up."""
        return (await web.request(self.port, "POST", "/resign", timeout_seconds=2 * TTL_SECONDS)).status < 300

    async def listen(self, heard: Heard) -> None:
        """Passes on every state it announces, for as long as this is awaited; a new process is found again."""
        while True:
            try:
                async for body in web.events(self.port, "/leader/watch"):
                    self._take(body, heard)
            except OSError:
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    async def poll(self, heard: Heard) -> None:
        """Asks it again and again: validity and position move without an announcement. Raises ``DemoFailed``."""
        while True:
            asked_at = time.monotonic()
            try:
                answer = await web.request(self.port, "GET", "/leader")
            except OSError:
                pass
            else:
                self.valid_until = asked_at + (answer.body.get("valid_for_ms") or 0) / 1000
                self._take(answer.body, heard)
            await asyncio.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raises ``DemoFailed`` when the process ended by itself."""
        if not self.killed and not self.alive:
            raise DemoFailed(f"candidate {self.name} ended: {self.child.last_words()}")

    def _take(self, body: dict[str, Any], heard: Heard) -> None:
        if body and self.alive and not self.frozen:
            self.said = body
            heard(self, body)

    def _start(self) -> Child:
        command: list[str | Path] = [sys.executable, "-m", "sidecar", "run", "--election", "demo"]
        command += ["--identity", self.name, "--ttl", str(TTL_SECONDS), "--etcd-endpoints", self._etcd_url]
        command += ["--listen", f"127.0.0.1:{self.port}", "--probe-listen", f"127.0.0.1:{self._probe_port}"]
        command += ["--no-labels", "--log-format", "console"]
        return Child(self.name, command, self._directory / f"{self.name}.log", _environment())


def _environment() -> dict[str, str]:
    """The demo's own, less what would be taken for settings of the sidecars."""
    foreign = ("LEADER_SIDECAR_", "POD_", "KUBERNETES_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
