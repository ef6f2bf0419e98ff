"""A page of elsewhere, opened in the same browser, can neither resign nor put our page into a frame."""

from typing import TYPE_CHECKING

from tests.browser.conftest import Open
from tests.support.group import Group

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

ELSEWHERE = "http://elsewhere.example/"


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
    page.route(ELSEWHERE, lambda route: route.fulfill(body=f'<iframe src="{own}"></iframe>', content_type="text/html"))
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(ELSEWHERE)
    page.close()


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
