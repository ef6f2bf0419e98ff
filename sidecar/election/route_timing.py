"""When a leader that gave the lead up looks whether a successor has replaced its endpoint. Seconds."""

GRACE_LOOKS_SECONDS = (0.1, 0.3)
"""A successor replaces the endpoint some tens of milliseconds after the lock has gone; a pod that ends waits for it."""


def grace_looks(now: float, grace_seconds: float) -> tuple[float, ...]:
    """The moments, those before the grace's end; then the endpoint is taken off."""
    return tuple(now + seconds for seconds in GRACE_LOOKS_SECONDS if seconds < grace_seconds)
