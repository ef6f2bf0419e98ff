"""The status page as it is sent: what it shows, that nothing in it acts or comes from elsewhere, how it resigns."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import httpx
import pytest

from sidecar.election.queue import LockKey
from sidecar.election.verdict import State
from sidecar.errors import EtcdUnavailable
from sidecar.http.app import build_workload_app
from sidecar.http.held import Held
from sidecar.http.page.render import MOST_SHOWN, lasting
from sidecar.metrics import Metrics
from tests.support.http import FOLLOWING, LEADING, LOCK, NOW, FakeElection, FakeHealth, FixedClock

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u202e"


class Read(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._within = ""
        self.raw: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag not in ("bdi", "span", "code", "time"):
            self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.raw[self._within] = self.raw.get(self._within, "") + data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def election() -> FakeElection:
    return FakeElection(LEADING)


@pytest.fixture
def health() -> FakeHealth:
    return FakeHealth()


@pytest.fixture
async def browser(election: FakeElection, health: FakeHealth) -> AsyncIterator[httpx.AsyncClient]:
    app = build_workload_app(election, health, Metrics(), FixedClock(), Held(10))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=BROWSER) as client:
        yield client


async def shown(browser: httpx.AsyncClient, path: str = "/") -> str:
    """The text of the page, white space apart."""
    return " ".join(Read((await browser.get(path)).text).text.split())


async def test_a_browser_gets_a_page_that_is_not_to_be_stored(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await browser.head("/")).headers["Content-Type"] == "text/html; charset=utf-8"


async def test_the_page_promises_nothing(browser: httpx.AsyncClient, election: FakeElection) -> None:
    await browser.get("/")
    assert election.promised == []


async def test_a_leaders_page_tells_who_since_when_how_long_and_in_what_order(browser: httpx.AsyncClient) -> None:
    page = await shown(browser)
    assert "This pod, web-0, leads." in page
    assert "2023-11-14 22:13:20 UTC" in page
    assert "9.0 s without a renewal" in page
    assert "1 b2 12 b2 2 web-0 (leads, this pod) 17 a1" in page
    assert "waiting → leading elected 17 3.2 s" in page


async def test_the_countdown_starts_at_what_is_left_and_never_below_nothing(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    election.shown = replace(LEADING, valid_until=NOW - 1)
    (timer,) = [span for span in Read((await browser.get("/")).text).all("span") if span.get("role") == "timer"]
    assert timer["data-ms"] == "0"


async def test_a_followers_page_names_the_leader_and_has_no_validity_and_nothing_to_resign(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    election.shown = FOLLOWING
    page = await browser.get("/")
    assert "web-1 leads." in await shown(browser)
    assert "validity" not in {attributes.get("id") for _, attributes in Read(page.text).elements}
    assert Read(page.text).all("form") == []


@pytest.mark.parametrize("state", list(State))
async def test_every_state_has_a_page(browser: httpx.AsyncClient, election: FakeElection, state: State) -> None:
    election.shown = replace(FOLLOWING, state=state, leader=None, leader_id=None, id="", position=None)
    page = await shown(browser)
    assert "Nobody is known to lead." in page


async def test_a_first_key_that_may_not_lead_is_not_shown_as_leading(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    election.shown = replace(FOLLOWING, state=State.UNCONFIRMED, leader=None, leader_id="a1")
    assert "(leads" not in await shown(browser)


async def test_another_lease_with_this_pods_name_is_not_this_pod(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    election.shown = replace(FOLLOWING, leader="web-0")
    assert "web-0 leads. (Another lease with this pod's name.)" in await shown(browser)


async def test_what_is_wrong_is_said_with_its_reason(
    browser: httpx.AsyncClient, election: FakeElection, health: FakeHealth
) -> None:
    election.shown = replace(LEADING, at_risk=True)
    health.wedge, health.unreadiness, health.label = "stuck", "not initialised", False
    page = await shown(browser)
    for said in ("At risk", "Health no: stuck", "Ready no: not initialised", "Pod label behind the verdict"):
        assert said in page


@pytest.mark.parametrize(
    ("label", "said"), [(None, "none: labels are off"), (True, "says what the verdict says"), (False, "behind")]
)
async def test_the_label_is_in_sync_or_not_or_none(
    browser: httpx.AsyncClient, health: FakeHealth, label: bool | None, said: str
) -> None:
    health.label = label
    assert f"Pod label {said}" in await shown(browser)


async def test_without_etcd_the_rest_is_shown(browser: httpx.AsyncClient, election: FakeElection) -> None:
    election.etcd_error = EtcdUnavailable("no <quorum>")
    page = await shown(browser)
    assert "Unknown: no <quorum>" in page
    assert "This pod, web-0, leads." in page


@pytest.mark.looptime
async def test_an_etcd_that_is_silent_holds_the_page_up_for_a_second_and_no_longer(
    browser: httpx.AsyncClient, election: FakeElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> tuple[int, tuple[LockKey, ...]]:
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr(election, "candidates", never)
    began = asyncio.get_running_loop().time()
    assert "etcd does not answer in time" in await shown(browser)
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)


async def test_of_a_long_queue_the_first_are_shown_and_the_rest_counted(
    browser: httpx.AsyncClient, election: FakeElection, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tuple(LockKey(f"{LOCK}/{number:x}", number, number, number, f"p{number}") for number in range(1, 1001))

    async def long() -> tuple[int, tuple[LockKey, ...]]:
        return 2000, keys

    monkeypatch.setattr(election, "candidates", long)
    page = await shown(browser)
    assert f"p{MOST_SHOWN}" in page
    assert f"p{MOST_SHOWN + 1}" not in page
    assert f"and {1000 - MOST_SHOWN} more" in page


@pytest.mark.parametrize("path", ["/", "/?resign=ask", f"/?said={HOSTILE}"])
async def test_whatever_others_chose_is_shown_as_text_and_makes_no_element(
    browser: httpx.AsyncClient, election: FakeElection, health: FakeHealth, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    plain = Read((await browser.get(path)).text)

    async def hostile() -> tuple[int, tuple[LockKey, ...]]:
        return 40, (LockKey(f"{LOCK}/b2", 12, 12, 0xB2, HOSTILE), LockKey(f"{LOCK}/a1", 17, 17, 0xA1, HOSTILE))

    monkeypatch.setattr(election, "candidates", hostile)
    election.shown = replace(LEADING, name=HOSTILE, leader=HOSTILE)
    health.wedge = health.unreadiness = HOSTILE
    page = Read((await browser.get(path)).text)
    # reasons turn from good to bad, which is a class; all else stays as it was, element by element
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [set(attributes) for _, attributes in page.elements] == [set(attributes) for _, attributes in plain.elements]
    assert HOSTILE in page.text
    assert page.raw == plain.raw


async def test_a_name_that_is_no_unicode_keeps_nothing_away(browser: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = replace(LEADING, name="\udcff")
    assert "This pod, ?, leads." in await shown(browser)


async def test_names_cannot_turn_the_text_around_them(browser: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = replace(FOLLOWING, leader=HOSTILE)
    page = (await browser.get("/")).text
    assert all("<bdi>" in line for line in page.splitlines() if "\u202e" in line and "<title>" not in line)


@pytest.mark.parametrize("path", ["/", "/?resign=ask"])
async def test_nothing_is_loaded_from_elsewhere_and_the_policy_lets_nothing_else_run(
    browser: httpx.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    page = Read(answer.text)
    for element in ("script", "style"):
        digest = b64encode(sha256(page.raw[element].encode()).digest()).decode()
        assert policy[f"{element}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == policy["form-action"] == "'self'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    links = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "href")]
    assert all(link and re.match(r"/|data:,$", link) for link in links)
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on") or key == "style"]


async def test_the_question_before_a_resignation_names_the_next_leader_and_changes_nothing(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    assert "then the lock goes to b2." in await shown(browser, "/?resign=ask")
    assert election.resigned == []


@pytest.mark.parametrize(
    ("keys", "said"), [((), "no other stands in the queue"), (None, "the next in the queue, which is unknown now")]
)
async def test_the_question_says_when_nobody_is_next_or_it_is_unknown(
    browser: httpx.AsyncClient,
    election: FakeElection,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[LockKey, ...] | None,
    said: str,
) -> None:
    async def queue() -> tuple[int, tuple[LockKey, ...]]:
        if keys is None:
            raise EtcdUnavailable("away")
        return 1, keys

    monkeypatch.setattr(election, "candidates", queue)
    assert said in await shown(browser, "/?resign=ask")


async def test_a_follower_is_asked_nothing(browser: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = FOLLOWING
    answer = await browser.get("/?resign=ask")
    assert "there is nothing to resign" in answer.text
    assert Read(answer.text).all("form") == []


async def test_the_pages_own_form_resigns_with_a_drain_and_leads_back_to_the_page(
    browser: httpx.AsyncClient, election: FakeElection
) -> None:
    (form,) = Read((await browser.get("/?resign=ask")).text).all("form")
    assert form["method"] == "post"
    # as Chromium sends a form without fields
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
    answer = await browser.post(str(form["action"]), headers=headers)
    assert (answer.status_code, election.resigned) == (303, [True])
    assert "Resigned: " in await shown(browser, answer.headers["Location"])


async def test_a_browser_whose_pod_leads_no_more_is_told(browser: httpx.AsyncClient, election: FakeElection) -> None:
    election.shown = FOLLOWING
    answer = await browser.post("/resign?drain")
    assert answer.status_code == 303
    assert "Not resigned: " in await shown(browser, answer.headers["Location"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
async def test_no_other_page_can_resign(
    browser: httpx.AsyncClient, election: FakeElection, headers: dict[str, str], status: int
) -> None:
    assert (await browser.post("/resign?drain", headers=headers)).status_code == status
    assert election.resigned == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 ms"), (0.04, "40 ms"), (3.25, "3.2 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (123, "2 min 3 s"),
     (3600, "1 h 0 min"), (349_200, "4 d 1 h")],
)  # fmt: skip
def test_how_long_something_lasted_is_told_for_people(seconds: float, said: str) -> None:
    assert lasting(seconds) == said
