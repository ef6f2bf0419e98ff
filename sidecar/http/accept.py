"""Who asks for a page: of the two answers to ``GET /`` the older is for every client that does not want HTML first."""

import math
from collections.abc import Iterable, Iterator

_HTML = frozenset({"text/html", "application/xhtml+xml"})

_JAVA = frozenset({"text/html,image/gif,image/jpeg,*/*;q=0.2", "text/html,image/gif,image/jpeg,*;q=.2,*/*;q=.2"})
"""What Java's HttpURLConnection sends where the program says nothing: a client of the retired leader-elector's answer
that never asked for a page. (No browser leaves application/xhtml+xml out.)"""


def asks_for_html_first(accept: Iterable[str]) -> bool:
    """Whether, of all that the request's ``Accept`` lines name, HTML has the highest weight, the first named winning.

    Rule: RFC 9110, 12.5.1. ``*/*`` is no wish for HTML.
    """
    line = ",".join(accept).lower()
    if "".join(line.split()) in _JAVA:
        return False
    best, weight = max(_ranges(line), key=lambda given: given[1], default=("", 0.0))
    return best in _HTML and weight > 0


def _ranges(line: str) -> Iterator[tuple[str, float]]:
    """Each media range with its weight; one whose weight cannot be read counts as not wanted."""
    for part in line.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [value for name, _, value in (each.partition("=") for each in parameters) if name.strip() == "q"]
        yield media, _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if math.isfinite(weight) and 0 <= weight <= 1 else 0.0
