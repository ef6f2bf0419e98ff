"""What an example runs beside: a sidecar of its own, the store, and a relay before each."""

import os
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.examples.languages import TICK
from tests.examples.relay import Relay
from tests.support.children import Child, Deadline, free_ports
from tests.support.sidecar import SidecarProcess

_PATIENCE_SECONDS = 60.0


class Store(Child):
    """``store.py``, and what it has printed."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        super().__init__("store", [sys.executable, "-I", "-S", TICK / "store.py", str(self.port)], folder / "store.log")

    def wait_until_ready(self) -> None:
        wait_until("the store answers", self._answers)

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
            return True
        return False

    def tokens(self) -> list[int]:
        """Of the ticks that it accepted, in order."""
        return [int(token) for token in re.findall(r"^tick \d+ by token (\d+)$", self.output(), re.MULTILINE)]

    def refused(self) -> list[int]:
        """The tokens that it refused."""
        return [int(token) for token in re.findall(r"^refused token (\d+),", self.output(), re.MULTILINE)]

    def wait_for_ticks(self, count: int) -> int:
        """So many more; the token of the last."""
        before = len(self.tokens())
        wait_until(f"{count} more ticks", lambda: len(self.tokens()) >= before + count, self.output)
        return self.tokens()[-1]

    def wait_for_another_token(self, *, than: int) -> int:
        wait_until(f"ticks by another than {than}", lambda: self.tokens()[-1] != than, self.output)
        return self.wait_for_ticks(2)


class Workload(Child):
    """An example. When it is frozen, so is whatever it has started, unless it is frozen ``alone``."""

    def __init__(self, name: str, command: Sequence[str | Path], log_file: Path, *, sidecar: str, store: str) -> None:
        environment = dict(os.environ) | {"LEADER_SIDECAR_URL": sidecar, "STORE_URL": store}
        super().__init__(name, command, log_file, environment=environment, leads_group=True)

    def freeze(self, *, alone: bool = False) -> None:
        if alone:
            super().freeze()
            return
        os.killpg(self.pid, signal.SIGSTOP)
        wait_until(f"{self.name} stands still", lambda: set(_states_in_group(self.pid)) <= {"T", "Z"})

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
        super().kill()


def _states_in_group(group: int) -> list[str]:
    states = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            state, _, its_group, *_ = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            if int(its_group) == group:
                states.append(state)
    return states


@dataclass(frozen=True, slots=True)
class Pod:
    """``to_sidecar`` and ``to_store`` are what its workload talks through."""

    sidecar: SidecarProcess
    workload: Workload
    to_sidecar: Relay
    to_store: Relay

    def wait_until_idle(self) -> None:
        """Its workload waits in a long poll for the lead to come."""
        leader = self.sidecar.wait_for("waiting", lambda body: body["state"] == "waiting" and bool(body["leader"]))
        known = f"since={leader['version']} ".encode()
        polls = lambda: any(known in chunk for chunk in tuple(self.to_sidecar.requests.passed))  # noqa: E731
        wait_until(f"{self.workload.name} waits", polls, self.workload.output)


@dataclass(frozen=True, slots=True)
class Pair:
    """``leader``'s workload ticks, ``other``'s waits."""

    leader: Pod
    other: Pod
    store: Store


def wait_until(what: str, holds: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    deadline = Deadline(_PATIENCE_SECONDS)
    while deadline.goes_on():
        if holds():
            return
    raise AssertionError(f"it never comes that {what}: {explain()[-4000:]}")
