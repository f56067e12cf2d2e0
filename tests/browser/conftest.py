"""A real Chromium, driven by Playwright; without one these tests are skipped and say why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from aiochargebee_gw.sandbox import ThreadedSandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

    from .person import Person

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SIZE: Any = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: ``CHROMIUM`` of the environment, or one on the path."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium`, or name one in CHROMIUM")
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright itself."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `nox -s browser` installs it")
    with api.sync_playwright() as running:
        yield running


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    """Two pages of customers."""
    with ThreadedSandbox(records=60) as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """One browser with a fresh user directory, which Playwright makes and removes."""
    made = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS), headless=True)
    yield made
    made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own for each test."""
    made = browser.new_context(viewport=SIZE)
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def person(context: BrowserContext, sandbox: ThreadedSandbox) -> Person:
    """Someone with the console open."""
    from .person import Person

    return Person.at(context, sandbox)


@pytest.fixture
def page(person: Person) -> Page:
    """The console's page."""
    return person.page
