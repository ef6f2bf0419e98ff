"""The conditions of a request on a value: ETags, which are revisions in quotes (RFC 9110, 8.8.3 and 13.1)."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException

from sidecar.election.state import ABSENT

NEVER = -1
"""No value has this revision: an ETag that is well written and none of ours fails at etcd, after the leader's guard."""

_MOST = 2**63 - 1
_TAG = re.compile(r'(?P<weak>W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')


def etag(revision: int) -> str:
    return f'"{revision}"'


def shows_current(if_none_match: Sequence[str], revision: int) -> bool:
    """Whether a reader has this revision already. ``if_none_match`` are the header's lines; weak tags count, too."""
    given = ", ".join(if_none_match)
    return given.strip() == "*" or any(_revision(tag["opaque"]) == revision for tag in _TAG.finditer(given))


def wanted_revision(if_match: Sequence[str], if_none_match: Sequence[str], *, may_create: bool) -> int:
    """The revision that a write is to replace; ``ABSENT`` where it is to create, ``NEVER`` for no ETag of ours.

    Raises ``HTTPException``: 428 where the request names no revision, 400 where it cannot be understood. ``*`` in
    If-Match names none: a late repeat of such a write would go through.
    """
    match = ", ".join(if_match).strip()
    if may_create and not if_match and ", ".join(if_none_match).strip() == "*":
        return ABSENT
    if not if_match or match == "*":
        create = ", or If-None-Match: * for a value that is not there" if may_create else ""
        raise HTTPException(
            HTTPStatus.PRECONDITION_REQUIRED, f"give If-Match with the ETag of the value that you have read{create}"
        )
    tag = _TAG.fullmatch(match)
    if tag is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "If-Match must be one ETag, as it was answered, in its quotes")
    revision = _revision(tag["opaque"])
    return NEVER if tag["weak"] or shows_current(if_none_match, revision) else revision


def _revision(opaque: str) -> int:
    """Of a tag as ``etag`` writes it; ``NEVER`` for any other."""
    revision = int(opaque) if opaque.isascii() and opaque.isdigit() and len(opaque) <= len(str(_MOST)) else NEVER
    return revision if ABSENT < revision <= _MOST and opaque == str(revision) else NEVER
