"""What the store is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """``attempt_seconds`` is the deadline of one attempt at one endpoint.

    ``password`` is asked for at each authentication, so a changed file counts from then on.
    """

    endpoints: tuple[str, ...]
    attempt_seconds: float
    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    user: str | None = None
    password: Callable[[], str] | str | None = field(default=None, repr=False)
