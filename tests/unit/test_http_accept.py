"""Of the two answers to ``GET /`` the page is for browsers; whoever else asked there before goes on being answered."""

import pytest

from sidecar.http.accept import asks_for_html_first


@pytest.mark.parametrize(
    "accept",
    [
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "application/xhtml+xml, text/html",
        "application/json;q=0.5, text/html",
        "text/html, application/json",
        "text/html;q=0.2, application/json;q=nan",
    ],
)
def test_browsers_and_whoever_names_html_first_ask_for_the_page(accept: str) -> None:
    assert asks_for_html_first([accept])


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/*",
        "application/json",
        "application/json, text/html",
        "application/json, text/plain, */*",
        "*/*, text/html",
        "text/html;q=0.5, application/json",
        "text/html;q=0",
        "text/html;q=0, */*;q=0",
        "text/html;q=x",
        "text/html;q=nan",
        "text/html;q=2",
        ";;,,q=",
    ],
)
def test_all_others_do_not(accept: str) -> None:
    assert not asks_for_html_first([accept])


@pytest.mark.parametrize(
    "accept",
    ["text/html, image/gif, image/jpeg, */*; q=0.2", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"],
)
def test_javas_own_default_is_no_wish_for_a_page(accept: str) -> None:
    assert not asks_for_html_first([accept])


def test_several_lines_count_as_one() -> None:
    assert asks_for_html_first(["text/html", "application/json"])
    assert not asks_for_html_first(["application/json", "text/html"])
    assert not asks_for_html_first([])
