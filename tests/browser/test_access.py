"""The page for everybody: axe-core finds nothing, and what it cannot find is looked for by hand."""

import pytest

from tests.browser.conftest import NARROW, WIDE, Open
from tests.support.group import Group
from tests.support.tools import ToolMissing

PATHS = ["/", "/?resign=ask", "/?said=resigned", "/?said=not-leading"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(group: Group, open_page: Open, path: str, size: tuple[int, int], scheme: str) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError as error:
        raise ToolMissing("axe is not installed: run scripts/browser") from error
    leader = group.settle()
    for sidecar in (leader, *group.others(leader)):
        page = open_page(sidecar, path, size=size, color_scheme=scheme)
        found = Axe().run(page)
        assert found.response["passes"], "axe looked at nothing"
        assert found.violations_count == 0, found.generate_report()


def test_light_and_dark_are_two_looks(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page_colour = "getComputedStyle(document.documentElement).backgroundColor"
    assert len({open_page(leader, color_scheme=scheme).evaluate(page_colour) for scheme in ("light", "dark")}) == 2


def test_a_screen_reader_finds_landmarks_headings_and_named_tables(group: Group, open_page: Open) -> None:
    page = open_page(group.settle())
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert page.get_by_role(landmark).count() == 1, landmark
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Leader", "Queue", "History", "Updates"]
    for named in ("Queue table", "History table"):
        assert page.get_by_role("region", name=named).get_by_role("table").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_verdict_is_announced_politely_and_the_countdown_is_not(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page = open_page(leader)
    assert page.locator("#verdict").get_attribute("aria-live") == "polite"
    assert page.locator("[aria-live] #validity, [role=status] #validity, [role=alert] #validity").count() == 0
    assert page.locator("#validity").get_attribute("role") == "timer"
    # a region is announced when its text changes, not when it is put in place: it must stay the same element
    page.evaluate("document.getElementById('verdict').kept = true")
    group.witness.excuse_resign(group.token(leader))
    leader.resign()
    page.locator("#verdict").get_by_text(f"{group.settle().identity} leads.").wait_for(timeout=60_000)
    assert page.evaluate("document.getElementById('verdict').kept")
