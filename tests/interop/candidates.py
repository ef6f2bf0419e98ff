"""Whoever can stand in an etcd election, seen alike: a sidecar, etcd's own command line, a Go program."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.support.children import Child
from tests.support.sidecar import SidecarProcess

TTL_SECONDS = 3
PATIENCE_SECONDS = 60


class Candidate(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def names_itself(self) -> bool:
        """Whether its key's value is its name; others show it by its lease id."""

    @property
    def child(self) -> Child: ...

    def join(self) -> None:
        """Start; it stands in the queue some time later."""

    def holds(self) -> bool:
        """Whether it says now that it has the lock."""

    def let_go(self) -> None:
        """Give the lock up on purpose and end; returns when it has."""


class Sidecar:
    names_itself = True

    def __init__(self, process: SidecarProcess) -> None:
        self.process, self.name = process, process.identity
        self.child: Child = process

    def join(self) -> None:
        self.process.start()

    def holds(self) -> bool:
        return self.process.leads()

    def let_go(self) -> None:
        code = self.process.terminate(PATIENCE_SECONDS)
        assert code == 0, f"{self.name} ended with {code}\n{self.process.output()}"


class Etcdctl:
    """``etcdctl lock NAME`` or ``etcdctl elect NAME PROPOSAL``: prints its key once it holds, lets go on SIGINT."""

    def __init__(self, command: str, program: Path, endpoint: str, lock: str, folder: Path, name: str) -> None:
        self.name, self.names_itself = name, command == "elect"
        # elect's session has a TTL of 60 s and no flag for it
        arguments = ["lock", f"--ttl={TTL_SECONDS}", lock] if command == "lock" else ["elect", lock, name]
        self.child: Child = Child(name, [program, f"--endpoints={endpoint}", *arguments], folder / f"{name}.log")
        self._lock = lock

    def join(self) -> None:
        self.child.start()

    def holds(self) -> bool:
        return self.child.alive and self.child.output().startswith(f"{self._lock}/")

    def let_go(self) -> None:
        self.child.interrupt()
        self.child.wait(PATIENCE_SECONDS)


class GoProgram:
    """Our program on ``concurrency.NewMutex`` or ``NewElection``: see tests/tools/interop/main.go."""

    def __init__(self, kind: str, program: Path, endpoint: str, lock: str, folder: Path, name: str) -> None:
        self.name, self.names_itself = name, kind == "election"
        flags = [f"-kind={kind}", f"-endpoint={endpoint}", f"-lock={lock}", f"-ttl={TTL_SECONDS}", f"-identity={name}"]
        self.child: Child = Child(name, [program, "hold", *flags], folder / f"{name}.log", takes_commands=True)

    def join(self) -> None:
        self.child.start()
        self.child.tell("acquire")

    def holds(self) -> bool:
        events = [
            json.loads(line)["event"] for line in self.child.output().splitlines(keepends=True) if line[-1] == "\n"
        ]
        return self.child.alive and events[-1:] == ["acquired"]

    def let_go(self) -> None:
        self.child.tell("release")
        self.child.tell("close")
        code = self.child.wait(PATIENCE_SECONDS)
        assert code == 0, f"{self.name} ended with {code}\n{self.child.output()}"


NewCandidate = Callable[[str], Candidate]
"""Makes a candidate of one kind, by its name; it has not joined yet."""
