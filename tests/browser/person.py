"""A person at the console: what they see and do, and what their browser says about it."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request

from attrs import define, field
from playwright.sync_api import BrowserContext, Locator, Page, expect

from aiochargebee_gw.sandbox import ThreadedSandbox


@define
class Person:
    """One console in one browser."""

    context: BrowserContext
    sandbox: ThreadedSandbox
    page: Page
    complaints: list[str] = field(factory=list)
    asked: list[str] = field(factory=list)

    @classmethod
    def at(cls, context: BrowserContext, sandbox: ThreadedSandbox) -> Person:
        """Open the console and wait until it shows records."""
        person = cls(context, sandbox, context.new_page())
        context.on("request", lambda request: person.asked.append(request.url))
        person.listen(person.page)
        person.page.goto(sandbox.console_url)
        expect(person.records.first).to_be_visible()
        return person

    def listen(self, page: Page) -> None:
        """Note what the browser says about a page."""
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def requests(self) -> Locator:
        """The rows of the request log, the newest first."""
        return self.page.get_by_role("table", name="Requests").locator("tbody tr")

    @property
    def records(self) -> Locator:
        """The rows of the record list."""
        return self.page.get_by_role("table", name="Records").locator("tbody tr")

    @property
    def faults(self) -> Locator:
        """The rows of the fault list."""
        return self.page.get_by_role("table", name="Faults").locator("tbody tr")

    def press(self, name: str, within: Page | Locator | None = None) -> None:
        """Click the button of that name."""
        (within or self.page).get_by_role("button", name=name, exact=True).click()

    def fields(self) -> Locator:
        """The form for a new fault."""
        return self.page.locator("form#fault")

    def look(self) -> None:
        """Come back to the page: it asks the sandbox at once, and not only each second."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def call(self, method: str, path: str, **form: str) -> int:
        """What a client's call at the gateway is answered with; 0 where no whole answer comes."""
        request = urllib.request.Request(
            f"{self.sandbox.gateway_url}/chargebee/api/v2{path}",
            method=method,
            data=urllib.parse.urlencode(form).encode() if form else None,
            headers={
                "Authorization": f"Bearer {self.sandbox.api_key}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, http.client.IncompleteRead):
            return 0
