"""The files of the page, read when the first browser asks, and the headers that let nothing else into it."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Assets:
    """``status`` and ``resign`` are what stands in ``shell`` as its ``main``."""

    shell: Template
    status: Template
    resign: Template
    style: str
    script: str


@cache
def assets() -> Assets:
    return Assets(
        shell=Template(_read("shell.html")),
        status=Template(_read("status.html")),
        resign=Template(_read("resign.html")),
        style=_read("page.css"),
        script=_read("page.js"),
    )


@cache
def headers() -> dict[str, str]:
    """For every answer that is HTML.

    The referrer policy must not be ``no-referrer``: a browser would then send ``Origin: null`` with the page's own
    form, and that is a foreign origin.
    """
    loaded = assets()
    policy = (
        "default-src 'none'",
        f"style-src {_source(loaded.style)}",
        f"script-src {_source(loaded.script)}",
        "connect-src 'self'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }


def _source(text: str) -> str:
    """One inline style or script as the policy names it (CSP 3, hash sources)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
