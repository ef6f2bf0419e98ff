"""What supervisor and guard tell each other: one JSON object for each packet of a socket that keeps their borders."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sidecar.workload.exec.deadlines import Deadline

# --- to the guard


@dataclass(frozen=True, slots=True)
class Start:
    """Start the command, with these variables besides the inherited ones."""

    deadline: Deadline
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Move:
    """The lead holds until another time. Whatever was suspended runs on."""

    deadline: Deadline


@dataclass(frozen=True, slots=True)
class End:
    """The lead goes: signal the command, and kill it at the deadline."""

    number: int
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Signal:
    """Pass a signal on."""

    number: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Suspend the command until the next ``Move``. Answered by ``Paused`` with this number, once it stands still."""

    number: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the command now."""


Order = Start | Move | End | Signal | Pause | Kill

# --- from the guard


@dataclass(frozen=True, slots=True)
class Started:
    pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The command and all that it started are gone. ``code`` is its exit code, 128 + N when signal N ended it.

    ``asked``: the guard had told it to end, or killed it, for the lead went. ``trouble`` is the reason why it could not
    be started at all, empty else.
    """

    code: int
    asked: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Paused:
    """Everything that the command has started stands still, as ``Pause`` with this number wished."""

    number: int


@dataclass(frozen=True, slots=True)
class TooLate:
    """The command was not started: no time was left."""


Report = Started | Ended | Paused | TooLate

_TYPES: dict[str, Any] = {
    each.__name__: each for each in (Start, Move, End, Signal, Pause, Kill, Started, Ended, Paused, TooLate)
}


def encode(message: Order | Report) -> bytes:
    return json.dumps({"is": type(message).__name__, **asdict(message)}).encode()


def decode(packet: bytes) -> Any:
    """The ``Order`` or ``Report`` in a packet. Raises ``ValueError`` or ``KeyError`` for anything else."""
    fields = json.loads(packet)
    kind = _TYPES[fields.pop("is")]
    if "deadline" in fields:
        fields["deadline"] = Deadline(**fields["deadline"])
    return kind(**fields)
