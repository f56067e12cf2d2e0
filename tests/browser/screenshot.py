"""A picture of the console from a real run: `python -m tests.browser.screenshot console.png`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from aiochargebee_gw.sandbox import ThreadedSandbox

from .conftest import ARGUMENTS, NAMES, SIZE
from .person import Person


def take(path: Path, scheme: str = "light") -> None:
    """Let a client meet two faults, open what it sent and what became of it, and take the picture."""
    chromium = next(filter(None, map(shutil.which, NAMES)))
    with ThreadedSandbox(records=120) as sandbox, sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium, args=[*ARGUMENTS, "--disable-lcd-text"], headless=True
        )
        context = browser.new_context(viewport=SIZE, color_scheme="dark" if scheme == "dark" else "light")
        person = Person.at(context, sandbox)
        person.press("New connection")
        sandbox.faults.add("rate_limited", path="/invoices", times=2)
        sandbox.faults.add("drop", path="/customers", method="POST", after_write=True)
        person.call("GET", "/subscriptions?limit=100&status[is]=active")
        person.call("GET", "/invoices?limit=100")
        form = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"}
        person.call("POST", "/customers", **form)
        person.call("GET", "/customers?email[is]=ada@example.com")
        person.press("+30 days")
        expect(person.page.locator("#said")).to_be_empty(timeout=10_000)
        expect(person.requests).to_have_count(4)
        person.requests.nth(1).get_by_role("button").click()
        person.records.first.get_by_role("button").click()
        person.page.mouse.move(0, 0)
        person.page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), *sys.argv[2:])
