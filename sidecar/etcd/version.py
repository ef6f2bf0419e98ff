"""Whether an etcd is recent enough for the validity promise.

Older ones revoke healthy leases when a leader that was stuck thaws: docs/how-it-works.md.
"""

import re

_FIRST_GOOD_PATCH = {(3, 4): 31, (3, 5): 13}
"""By release line; every line after 3.5 is good, every one before 3.4 is not."""


def outdated(version: str) -> bool | None:
    """None when ``version`` is not one that can be read. ``3.5.13-rc.1`` counts as 3.5.13."""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)(?![\d.])", version)
    if numbers is None:
        return None
    major, minor, patch = map(int, numbers.groups())
    line = (major, minor)
    return line < min(_FIRST_GOOD_PATCH) or patch < _FIRST_GOOD_PATCH.get(line, 0)
