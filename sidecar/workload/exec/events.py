"""What may happen to the supervisor, and what it does about it: frozen values, nothing else."""

from dataclasses import dataclass

from sidecar.workload.exec.messages import Ended, Order, Paused, Started, TooLate


@dataclass(frozen=True, slots=True)
class Lead:
    """This pod leads ``election``, with ``token``, until ``until_ns`` (CLOCK_BOOTTIME) at least."""

    election: str
    token: int
    until_ns: int


# === Events, besides the guard's reports


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether this pod leads now. ``draining``: it gives the lead up on purpose, and waits for the command."""

    lead: Lead | None
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """We got a signal."""

    number: int


@dataclass(frozen=True, slots=True)
class Resigned:
    """Whether the lead has gone, after ``GiveUp``."""

    gone: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


# === Actions, besides orders to the guard


@dataclass(frozen=True, slots=True)
class Note:
    """Write down the deadline for the command."""

    lead: Lead


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Give the lead up: the command has ended. Answered by ``Resigned``."""


@dataclass(frozen=True, slots=True)
class Leave:
    """End, with this exit code."""

    code: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The guard is late: signal all that the command has started ourselves."""

    number: int


Event = Seen | Told | Resigned | Tick | Started | Ended | Paused | TooLate
Action = Order | Note | GiveUp | Leave | StandIn
