"""What a person sees and does on the status page, in a real Chromium."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import NARROW, WIDE, Open
from tests.support.group import Group
from tests.support.sidecar import SidecarProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 60_000


def wait_for(page: "Page", holds: str, argument: object = None) -> None:
    """Until this JavaScript function of ``argument`` holds. Polled from here, for the page's policy forbids `eval`."""
    page.wait_for_function(holds, arg=argument, timeout=PATIENCE_MS, polling=50)


def wait_for_text(page: "Page", selector: str, text: str) -> None:
    page.locator(selector).get_by_text(text).wait_for(timeout=PATIENCE_MS)


def seconds_left(page: "Page") -> float:
    return float(page.locator("#validity").inner_text().removesuffix(" s"))


def rows(page: "Page", part: str) -> list[list[str]]:
    table = page.locator(f"#{part} tbody tr").all()
    return [[cell.strip() for cell in row.locator("td, th").all_inner_texts()] for row in table]


def ask_to_resign(page: "Page") -> None:
    page.get_by_role("button", name="Resign").click()
    page.get_by_role("heading", name="Resign?").wait_for()


def sure_and_excused(group: Group, leader: SidecarProcess) -> None:
    """The lead is about to be given up on purpose."""
    group.witness.excuse_resign(group.token(leader))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_leader_queue_and_history_are_those_of_the_election(group: Group, open_page: Open, scripts: bool) -> None:
    leader = group.settle()
    page = open_page(leader, java_script_enabled=scripts)
    queue = leader.ask("/candidates")[1]["candidates"]
    assert page.title() == f"e: {leader.identity} leads"
    assert page.locator("#verdict").inner_text() == f"This pod, {leader.identity}, leads."
    assert [(row[0], row[1].split()[0], row[2], row[3]) for row in rows(page, "queue")] == [
        (str(one["position"]), one["name"], str(one["token"]), one["id"]) for one in queue
    ]
    last = leader.ask("/history")[1]["transitions"][0]
    assert rows(page, "history")[0][1:4] == [f"{last['from']} → {last['to']}", last["reason"], str(last["token"])]
    assert 0 < seconds_left(page) <= group.ttl_seconds


def test_the_validity_counts_down_and_goes_up_with_a_renewal(group: Group, open_page: Open) -> None:
    page = open_page(group.settle())
    counted = """() => {
        window.seen = window.seen || [];
        window.seen.push(parseFloat(document.getElementById("validity").textContent));
        const falls = window.seen.some((each, i) => i && each < window.seen[i - 1]);
        const rises = window.seen.some((each, i) => i && each > window.seen[i - 1]);
        return falls && rises;
    }"""
    wait_for(page, counted)


def test_a_handover_is_seen_on_an_open_page_without_loading_it_again(group: Group, open_page: Open) -> None:
    leader = group.settle()
    (other,) = group.others(leader)
    old, new = open_page(leader), open_page(other)
    assert new.get_by_role("button", name="Resign").count() == 0
    for page in (old, new):
        page.evaluate("window.kept = true")
    sure_and_excused(group, leader)
    leader.resign()
    wait_for_text(new, "#verdict", f"This pod, {other.identity}, leads.")
    wait_for_text(old, "#verdict", f"{other.identity} leads.")
    new.get_by_role("button", name="Resign").wait_for()
    old.get_by_role("button", name="Resign").wait_for(state="detached")
    wait_for_text(old, "#history", "resigned")
    assert old.title() == f"e: {other.identity} leads"
    for page in (old, new):
        assert page.evaluate("window.kept")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_resigning_asks_first_and_says_when_it_is_done(group: Group, open_page: Open, scripts: bool) -> None:
    leader = group.settle()
    (other,) = group.others(leader)
    page = open_page(leader, java_script_enabled=scripts)
    ask_to_resign(page)
    assert f"then the lock goes to {other.identity}." in page.locator("main").inner_text()
    page.get_by_role("link", name="Keep the lead").click()
    assert page.locator("#verdict").inner_text() == f"This pod, {leader.identity}, leads."
    assert leader.leads()

    ask_to_resign(page)
    sure_and_excused(group, leader)
    page.get_by_role("button", name="Resign").click(timeout=PATIENCE_MS)
    page.get_by_text("Resigned: the lead goes to the next in the queue").wait_for(timeout=PATIENCE_MS)
    assert group.settle() is other


def test_a_resignation_that_comes_too_late_says_so(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page = open_page(leader)
    ask_to_resign(page)
    sure_and_excused(group, leader)
    leader.resign()
    group.settle()
    page.get_by_role("button", name="Resign").click(timeout=PATIENCE_MS)
    page.get_by_text("Not resigned: this pod does not lead").wait_for(timeout=PATIENCE_MS)


def test_the_keyboard_alone_is_enough_and_focus_is_seen(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page = open_page(leader)

    def go_to(name: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent").strip().startswith(name):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"{name} cannot be reached by Tab")

    go_to("Resign")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Resign?").wait_for()
    go_to("Resign")
    sure_and_excused(group, leader)
    page.keyboard.press("Enter")
    page.get_by_text("Resigned: ").wait_for(timeout=PATIENCE_MS)
    assert group.settle() is not leader


def test_focus_stays_where_it_is_while_the_page_is_updated(group: Group, open_page: Open) -> None:
    page = open_page(group.settle())
    page.get_by_role("button", name="Resign").focus()
    shown = page.locator("#as-of").inner_text()
    wait_for(page, "(shown) => document.getElementById('as-of').textContent !== shown", shown)
    assert page.evaluate("document.activeElement.textContent").startswith("Resign")


def test_focus_on_a_button_that_goes_is_not_lost(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page = open_page(leader)
    page.get_by_role("button", name="Resign").focus()
    sure_and_excused(group, leader)
    leader.resign()
    page.get_by_role("button", name="Resign").wait_for(state="detached", timeout=PATIENCE_MS)
    assert page.evaluate("document.activeElement.id") == "top"


def test_without_scripts_the_page_says_that_it_stands_still_and_offers_no_dead_button(
    group: Group, open_page: Open
) -> None:
    page = open_page(group.settle(), java_script_enabled=False)
    told = page.locator("noscript")  # playwright's own finders by text and role look into no such element
    assert told.inner_text().startswith("Scripts are off")
    assert told.is_visible()
    assert page.get_by_role("button", name="Pause").count() == 0
    told.locator("a").click()
    assert page.locator("#verdict").is_visible()


def test_updates_can_be_paused_and_go_on(group: Group, open_page: Open) -> None:
    leader = group.settle()
    page = open_page(leader)
    button = page.get_by_role("button", name="Pause updates")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.get_by_text("Updates are paused").is_visible()
    shown = page.locator("#verdict").inner_text()
    sure_and_excused(group, leader)
    leader.resign()
    other = group.settle()
    page.evaluate("fetch('/history')")  # whatever was under way has come by now
    assert page.locator("#verdict").inner_text() == shown
    button.click()
    wait_for_text(page, "#verdict", f"{other.identity} leads.")
    assert page.get_by_text("Updates are paused").count() == 0


def test_a_sidecar_that_falls_silent_is_told_its_validity_runs_out_and_the_page_recovers(
    group: Group, open_page: Open
) -> None:
    leader = group.settle()
    page = open_page(leader, quiet=False)
    leader.freeze()
    try:
        page.get_by_text("The sidecar is silent").wait_for(timeout=PATIENCE_MS)
        wait_for_text(page, "#facts", "over, as far as this page knows")
    finally:
        leader.thaw()
    other = group.settle()
    wait_for_text(page, "#verdict", other.identity)
    page.get_by_text("The sidecar is silent").wait_for(state="hidden", timeout=PATIENCE_MS)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", ["/", "/?resign=ask"])
def test_nothing_sticks_out_sideways(group: Group, open_page: Open, size: tuple[int, int], path: str) -> None:
    page = open_page(group.settle(), path, size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
