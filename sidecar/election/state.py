"""Small values that only the leader can write: ``leader-sidecar.meta/state/`` + lock + ``/`` + key.

They belong to no lease: they outlive whoever wrote them. A key has no slash, so no two locks share a name.
"""

KEY_PATTERN = r"^[A-Za-z0-9._-]{1,128}$"
"""Of the whole key; without what Python's ``$`` lets pass, a newline at the end."""

MOST_VALUE_BYTES = 64 * 1024

ABSENT = 0
"""etcd's mod revision of a key that does not exist."""

_ROOT = "leader-sidecar.meta/state/"


def state_below(lock: str) -> str:
    """What the names of a lock's values begin with, up to the slash before the key."""
    return _ROOT + lock


def state_name(lock: str, key: str) -> str:
    return f"{state_below(lock)}/{key}"
