"""A real Chromium, real sidecars on a real etcd, and pages that load nothing from elsewhere and complain of nothing."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.etcd import Cluster, running
from tests.support.group import Group
from tests.support.sidecar import SidecarProcess
from tests.support.tools import ToolMissing

if TYPE_CHECKING:  # `make test` collects these tests without having their driver
    from playwright.sync_api import Browser, Page

WIDE, NARROW = (1200, 900), (320, 640)

Open = Callable[..., "Page"]


def chromium() -> str:
    """Its path. Raises ``ToolMissing``."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found:
        raise ToolMissing("there is no chromium: run scripts/browser as root, or name one by CHROMIUM")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.tools)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ToolMissing("playwright is not installed: run scripts/browser") from error
    with sync_playwright() as playwright:
        # its sandbox needs rights that root in a container lacks; it loads nothing but our own pages
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    folder = tmp_path_factory.mktemp("browser")
    # long enough that a busy machine loses no lease
    with running(Cluster(folder / "etcd")) as etcd, Group(etcd, folder, lock="/page", ttl_seconds=8) as group:
        yield group


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Open]:
    """``open_page(sidecar, path="/", size=WIDE, **context)``: the sidecar's page in a context of its own.

    At the end no page has asked any other origin than its own or complained (of scripts, of the policy); with
    ``quiet=False`` it may complain, as it does in an outage.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_at(sidecar: SidecarProcess, path: str = "/", *, quiet: bool = True, **options: Any) -> "Page":
        width, height = options.pop("size", WIDE)
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        if quiet:
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
        origin = f"http://localhost:{sidecar.port}"
        page.on("request", lambda asked: None if asked.url.startswith((f"{origin}/", "data:")) else foreign(asked.url))
        page.goto(origin + path)
        return page

    def foreign(url: str) -> None:
        complaints.append(f"asked {url}")

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
