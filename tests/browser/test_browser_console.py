"""The console as a person uses it, in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aiochargebee_gw.sandbox import ThreadedSandbox
from aiochargebee_gw.sandbox.faults import KINDS, details_of

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `nox -s browser` installs it")

from playwright.sync_api import BrowserContext, Page, expect

if TYPE_CHECKING:
    from .person import Person

pytestmark = pytest.mark.browser

VALUES = {
    "status": "503", "retry_after": "2", "seconds": "0.01", "at": "10", "pieces": "3", "location": "/elsewhere",
    "offset": '["a","b"]', "code": "api_request_limit_exceeded", "headers": '{"X-Told": "yes"}', "body": "oops",
}  # fmt: skip
ATTEMPTS = (
    "const made = document.createElement('script'); made.text = 'window.hit = 1'; document.body.append(made)",
    "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit = 1\">')",
    "fetch('http://127.0.0.1:9/').catch(() => 0)",
    "document.body.insertAdjacentHTML('beforeend', '<iframe src=\"/connect\"></iframe>')",
)
_NAMED = re.compile(r'- (button|link|textbox|searchbox|spinbutton|combobox|checkbox) "[^"]+"')
STRIKES: dict[str, tuple[str, str, int]] = {
    "status": ("GET", "/customers", 503),
    "rate_limited": ("GET", "/customers", 429),
    "html": ("GET", "/customers", 503),
    "redirect": ("GET", "/customers", 404),
    "expired_authorization": ("GET", "/customers", 500),
    "expired_cursor": ("GET", "/customers?offset=x", 400),
    "repeat_offset": ("GET", "/customers?offset=x", 400),
    "drop": ("GET", "/customers", 0),
    "hang": ("GET", "/customers", 0),
    "cut_body": ("GET", "/customers", 0),
}
"""What a call meets; the other kinds answer 200, in another way."""


def test_a_person_connects_an_account(person: Person, sandbox: ThreadedSandbox) -> None:
    """New connection, its link, *Authorize*: PENDING becomes ACTIVE before their eyes, and for the client."""
    person.press("New connection")
    table = person.page.get_by_role("table", name="Connections")
    expect(table.get_by_text("PENDING")).to_be_visible()
    with person.context.expect_page() as opened:
        table.get_by_role("link", name=re.compile("Authorize connection")).click()
    consent = opened.value
    person.listen(consent)
    expect(consent.get_by_role("heading")).to_have_text("Connect Chargebee")
    expect(consent.get_by_role("button")).to_have_count(1)
    person.press("Authorize", consent)
    expect(consent.get_by_role("heading")).to_have_text("Chargebee is connected")
    consent.close()
    expect(table.get_by_text("ACTIVE", exact=True)).to_have_count(2)
    expect(table.get_by_text("PENDING")).to_have_count(0)
    assert (person.complaints, {one.status for one in sandbox.requests}) == ([], {200})


def test_a_call_appears_while_they_watch(person: Person) -> None:
    """A client's call stands in the log a moment later, with its status; opened, it shows what was sent but the key."""
    expect(person.page.get_by_text("Nothing has called yet")).to_be_visible()
    assert person.call("POST", "/customers", first_name="Ada", email="ada@example.com") == 200
    expect(person.requests).to_have_count(1)
    expect(person.requests.first).to_contain_text("POST")
    expect(person.requests.first).to_contain_text("200")
    person.requests.first.get_by_role("button").press("Enter")
    shown = person.page.get_by_role("region", name="Request", exact=True)
    expect(shown).to_contain_text('"email": "ada@example.com"')
    assert person.sandbox.api_key not in person.page.content()
    assert person.call("GET", "/subscriptions") == 200
    expect(person.requests).to_have_count(2)
    person.page.get_by_label("filter requests").fill("subscr")
    expect(person.requests.filter(visible=True)).to_have_count(1)
    assert person.complaints == []


def test_records_are_browsed(person: Person, sandbox: ThreadedSandbox) -> None:
    """A new record is on top by itself, opens as JSON; older ones are a page away; each resource is a click."""
    sandbox.insert("customer", {"id": "newest", "first_name": "Grace"})
    expect(person.records.first).to_contain_text("newest")
    person.records.first.get_by_role("button").click()
    expect(person.page.get_by_role("region", name="Record", exact=True)).to_contain_text('"first_name": "Grace"')
    expect(person.records).to_have_count(50)
    person.press("Older")
    expect(person.records.first).not_to_contain_text("newest")
    expect(person.page.get_by_role("button", name="Older")).to_be_disabled()
    person.press("Newest")
    expect(person.records.first).to_contain_text("newest")
    person.page.get_by_role("list", name="Resources").get_by_role("button", name=re.compile("^invoice ?[0-9]")).click()
    expect(person.records.first).to_contain_text("inv_")
    assert person.complaints == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_set_strikes_and_goes(person: Person, kind: str) -> None:
    """Each kind of fault with all of its details: set in the form, explained, seen to strike, removed."""
    form = person.fields()
    form.get_by_label("kind").select_option(kind)
    expect(person.page.locator("#hint")).not_to_be_empty()
    method, path, status = STRIKES.get(kind, ("GET", "/customers", 200))
    form.get_by_label("path").fill("/customers")
    form.get_by_label("times").fill("2")
    for name, type in details_of()[kind].items():
        field = form.get_by_label(name.replace("_", " "), exact=True)
        if type != "bool":
            field.fill("302" if (kind, name) == ("redirect", "status") else VALUES[name])
    person.press("Add fault")
    expect(person.faults).to_have_count(1)
    expect(person.faults.first).to_contain_text("0 of 2")
    assert person.call(method, path) == status
    person.look()
    expect(person.faults.first).to_contain_text("1 of 2")
    person.press(f"Remove fault {kind}")
    expect(person.faults).to_have_count(0)
    assert person.call("GET", "/customers") == 200
    assert person.complaints == []


def test_a_wrong_fault_is_refused_with_the_reason(person: Person) -> None:
    """What the form cannot know, the sandbox says; nothing is added, and a needed detail is asked for at once."""
    form = person.fields()
    form.get_by_label("kind").select_option("status")
    person.press("Add fault")
    expect(form.get_by_label("status", exact=True)).to_be_focused()
    form.get_by_label("status", exact=True).fill("99")
    person.press("Add fault")
    expect(person.page.get_by_role("status")).to_contain_text("status must be between 200 and 599")
    expect(person.faults).to_have_count(0)


def test_time_travels_and_a_reset_comes_back(person: Person, sandbox: ThreadedSandbox) -> None:
    """30 days ahead subscriptions have renewed: the clock says so, there are more invoices; a reset undoes it all."""
    invoices, now = sandbox.count("invoice"), sandbox.now()
    person.press("+30 days")
    expect(person.page.get_by_text("+30 days", exact=True).last).to_be_visible()
    assert sandbox.now() - now >= 30 * 86_400
    assert sandbox.count("invoice") > invoices
    person.press("Reset to the seed")
    expect(person.page.locator("#ahead")).to_be_hidden()
    assert (sandbox.count("invoice"), sandbox.now() - now < 86_400) == (invoices, True)
    assert person.complaints == []


def test_a_snapshot_is_taken_and_restored(person: Person, sandbox: ThreadedSandbox) -> None:
    """A named snapshot brings back what was deleted since; its bytes can be downloaded."""
    person.page.get_by_label("snapshot name").fill("arranged")
    person.press("Take snapshot")
    expect(person.page.get_by_role("table", name="Snapshots")).to_contain_text("arranged")
    sandbox.delete("customer", "cust_1")
    person.press("Restore snapshot arranged")
    expect(person.page.get_by_role("status")).to_contain_text("back to arranged")
    row = sandbox.get("customer", "cust_1")
    assert row is not None
    assert row["deleted"] is False
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Download").click()
    sandbox.restore(download.value.path().read_bytes())
    assert person.complaints == []


def test_nothing_is_asked_of_another_origin(person: Person, sandbox: ThreadedSandbox) -> None:
    """All that the browser fetched came from the sandbox, through a whole tour of the page."""
    for name in ("New connection", "+1 day", "Reset to the seed", "Older"):
        person.press(name)
    person.call("GET", "/customers")
    expect(person.requests).to_have_count(1)
    elsewhere = [url for url in person.asked if not url.startswith((f"{sandbox.url}/", "data:"))]
    assert (elsewhere, person.complaints) == ([], [])


def test_markup_in_records_and_requests_is_text(person: Person, sandbox: ThreadedSandbox) -> None:
    """A customer's name, an id, a path and a form that try to be markup are shown as they are, and run nothing."""
    attack = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
    sandbox.insert("customer", {"id": "<b>id</b>", "first_name": attack})
    person.call("POST", "/customers?%3Cimg%20src=x%20onerror=window.hit=1%3E", first_name=attack)
    expect(person.requests).to_have_count(1)
    sandbox.insert("customer", {"id": "last"})
    expect(person.records.first).to_contain_text("last")
    expect(person.records.nth(2)).to_contain_text(attack)
    for row in (person.records.nth(2), person.requests.first):
        row.get_by_role("button").click()
    expect(person.page.get_by_role("region", name="Record", exact=True)).to_contain_text(attack)
    expect(person.page.get_by_role("region", name="Request", exact=True)).to_contain_text(attack)
    assert person.page.locator("main img, main script, main b").count() == 0
    assert person.page.evaluate("window.hit === undefined")
    assert person.complaints == []


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_policy_stops_what_gets_in_all_the_same(person: Person, attempt: str) -> None:
    """Were markup ever to get in, the page's policy would not run it, and would let nothing out."""
    person.page.evaluate(f"() => {{ {attempt} }}")
    while not person.complaints:
        person.page.wait_for_event("console")
    assert any("Content Security Policy" in one for one in person.complaints), person.complaints
    assert person.page.evaluate("window.hit === undefined")
    assert not any(url.startswith("http://127.0.0.1:9") for url in person.asked)


@pytest.mark.parametrize("attempt", ATTEMPTS[:2])
def test_without_the_policy_it_would_run(context: BrowserContext, attempt: str) -> None:
    """The naive page, which has no policy: the same markup runs what it brings along."""
    page = context.new_page()
    page.set_content("<p>naive</p>")
    page.evaluate(f"() => {{ {attempt} }}")
    page.wait_for_function("window.hit === 1")


def test_everything_has_a_name_and_can_be_reached_by_keyboard(person: Person, page: Page) -> None:
    """Each field and button has an accessible name; each can have the focus, and a row opens with Enter."""
    person.press("New connection")
    expect(page.get_by_role("link", name=re.compile("Authorize"))).to_be_visible()
    controls = page.locator("button, input, select, a").filter(visible=True)
    nameless = [one.inner_html() for one in controls.all() if not _NAMED.match(one.aria_snapshot())]
    assert nameless == []
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
    assert len(seen) >= 25
    first = person.records.first.get_by_role("button")
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Record", exact=True)).to_be_visible()


def test_what_has_the_focus_keeps_it_while_the_page_is_live(person: Person, sandbox: ThreadedSandbox) -> None:
    """The page asks anew each second; nothing is drawn anew under a person's hands unless it has changed."""
    sandbox.faults.add("latency", seconds=0.01, path="/nowhere")
    remove = person.page.get_by_role("button", name="Remove fault latency")
    remove.focus()
    with person.page.expect_response(re.compile("/_sandbox/state")):
        pass
    person.call("GET", "/customers")
    expect(person.requests).to_have_count(1)
    expect(remove).to_be_focused()


def test_a_sandbox_that_ends_is_told(context: BrowserContext) -> None:
    """The page says that the sandbox does not answer, in words and by its lamp."""
    from .person import Person

    with ThreadedSandbox(records=1) as sandbox:
        person = Person.at(context, sandbox)
    expect(person.page.get_by_role("status")).to_contain_text("the sandbox does not answer")
    expect(person.page.locator("#live")).to_have_class("bad")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_dark(person: Person, scheme: str) -> None:
    """The contrast of every visible text is at least 4.5 to 1 (WCAG 2.2, 1.4.3); nothing sticks out of the window."""
    person.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    person.call("GET", "/nonsense")
    person.call("GET", "/customers")
    expect(person.requests).to_have_count(2)
    person.records.first.get_by_role("button").click()
    person.page.mouse.move(0, 0)
    low = person.page.evaluate(_CONTRAST)
    assert low == []
    assert person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || one.closest("script, .new") || one.disabled || !one.checkVisibility()) continue;
    const pair = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(one.outerHTML.slice(0, 80) + " " + ratio.toFixed(2));
  }
  return low;
}"""
