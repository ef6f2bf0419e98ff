"""What a browser gets: the page, the question before a resignation, and where to go after one."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from sidecar.clock import Clock
from sidecar.errors import NotLeading
from sidecar.http.page.assets import headers
from sidecar.http.page.facts import gather
from sidecar.http.page.render import resign_page, status_page
from sidecar.http.port import Election, Health


async def show_page(query: Mapping[str, str], election: Election, health: Health, clock: Clock) -> Response:
    """``?resign``: the question before it. ``?said``: what was done before this page was asked for."""
    facts = await gather(election, health, clock)
    page = resign_page(facts) if "resign" in query else status_page(facts, said=query.get("said"))
    # a name that is no Unicode must not keep the page away
    return Response(page.encode("utf-8", "replace"), headers=headers(), media_type="text/html; charset=utf-8")


async def resign_for_browser(election: Election, *, drain: bool) -> Response:
    """Resigns, and sends the browser back to the page, which says how it went: 204 would leave it where it is."""
    try:
        await election.resign(drain=drain)
    except NotLeading:
        return _see("/?said=not-leading")
    return _see("/?said=resigned")


def _see(where: str) -> Response:
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": where})
