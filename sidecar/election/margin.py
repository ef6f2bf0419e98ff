"""What clocks may differ by."""

MARGIN_RATIO = 0.1
"""What two machines' clocks may drift apart within one TTL, as a part of it (assumption a)."""


def margin_seconds(ttl_seconds: float) -> float:
    return ttl_seconds * MARGIN_RATIO
