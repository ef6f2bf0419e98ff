"""A page of elsewhere, opened in the same browser, can neither resign nor put our page into a frame."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.browser.conftest import Open
from tests.support.group import Group

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

ELSEWHERE = "http://elsewhere.example/"


@contextmanager
def local_page(markup: str) -> Iterator[str]:
    """The address of a page served from this machine: what is further away, Chromium itself keeps from framing us."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(markup.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_another_origins_form_is_refused(group: Group, browser: "Browser") -> None:
    leader = group.settle()
    token = group.token(leader)
    target = f"http://localhost:{leader.port}/resign"
    page = browser.new_page()

    def stranger(route: "Route") -> None:
        body = f'<form method="post" action="{target}"><button>win a prize</button></form>'
        route.fulfill(body=body, content_type="text/html")

    page.route(ELSEWHERE, stranger)
    page.goto(ELSEWHERE)
    with page.expect_event("requestfinished", lambda asked: asked.url == target) as finished:
        page.get_by_role("button").click()
    answer = finished.value.response()
    assert answer is not None
    assert answer.status == 403
    page.close()
    assert (group.settle(), group.token(leader)) == (leader, token)


def test_another_origin_cannot_frame_the_page(group: Group, browser: "Browser") -> None:
    leader = group.settle()
    own = f"http://localhost:{leader.port}/"
    page = browser.new_page()
    with local_page(f'<iframe src="{own}"></iframe>') as framing:
        with page.expect_event("requestfailed", lambda asked: asked.url == own) as failed:
            page.goto(framing)
        page.close()
    assert "BLOCKED_BY_RESPONSE" in (failed.value.failure or "")


def test_the_page_may_be_asked_for_by_any_local_name(group: Group, open_page: Open, browser: "Browser") -> None:
    """As behind a port-forward: the form's Origin is the page's own, whatever the port."""
    leader = group.settle()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{leader.port}/?resign=ask")
    group.witness.excuse_resign(group.token(leader))
    page.get_by_role("button", name="Resign").click(timeout=60_000)
    page.get_by_text("Resigned: ").wait_for(timeout=60_000)
    page.close()
    assert group.settle() is not leader
