"""Jobs that take their time: exports, the time machine; and quotes, hosted pages, portal sessions."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox, SystemClock

from .books import DAY, FEBRUARY, NOW, Books
from .caller import Caller


def rows_of(body: bytes) -> list[dict[str, str]]:
    """The lines of the one CSV in a zip."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        (name,) = archive.namelist()
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


@pytest.mark.anyio
async def test_export_over_http() -> None:
    """``in_process``, then ``completed`` with a link to a real zip, which opens without credentials."""
    clock = ManualClock()
    async with Sandbox(records=20, clock=clock) as sandbox:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            call = Caller(session, sandbox)
            made = (await call.post("/exports/customers", {"customer[email][is]": "john@example.com"})).json["export"]
            assert made["status"] == "in_process"
            assert "download" not in made
            clock.advance(3)
            done = (await call.get(f"/exports/{made['id']}")).json["export"]
            assert (done["status"], done["mime_type"]) == ("completed", "zip")
            async with session.get(done["download"]["download_url"]) as response:
                assert response.headers["Content-Type"] == "application/zip"
                rows = rows_of(await response.read())
            assert [row["email"] for row in rows] == ["john@example.com"]


def test_five_exports_at_once() -> None:
    """A sixth is 429 until one is done; an export shows what was there when it was asked for."""
    books = Books(records=10)
    made = [books.post("/exports/subscriptions", {"subscription[status][is]": "active"})["export"] for _ in range(5)]
    assert books.refused("/exports/invoices")[:2] == (429, "api_request_limit_exceeded")
    books.travel(seconds=3)
    assert books.get(f"/exports/{made[0]['id']}")["export"]["status"] == "completed"
    books.post("/exports/invoices")
    assert books.send("POST", "/exports/customers", {"customer[email][nope]": "x"})[0] == 200


@pytest.mark.parametrize("kind", ["plans", "addons", "coupons", "items", "item_prices", "credit_notes", "transactions"])
def test_every_export_has_its_rows(kind: str) -> None:
    """Each kind exports as many rows as its list has."""
    books = Books(records=10)
    id = books.post(f"/exports/{kind}")["export"]["id"]
    books.travel(seconds=3)
    token = next(token for token, one in books.site.desk.downloads.items() if one.invoice_id == id)
    from aiochargebee_gw.sandbox._documents import served

    answer = served(books.site.desk, books.site.desk.downloads[token])
    assert answer is not None
    assert len(rows_of(answer.body)) == len(books.rows(kind.removesuffix("s")))


def test_time_machine_travels_forward() -> None:
    """In progress, then there: everything due on the way has happened, at its own time; never backwards."""
    books = Books()
    books.customer()
    books.subscribe(id="s1")
    path = "/time_machines/delorean"
    assert books.refused(f"{path}/travel_forward", destination_time=NOW)[2] == "destination_time"
    assert books.send("GET", "/time_machines/other")[0] == 404
    shown = books.post(f"{path}/travel_forward", destination_time=NOW + 70 * DAY)["time_machine"]
    assert shown["time_travel_status"] == "in_progress"
    assert books.refused(f"{path}/travel_forward", destination_time=NOW + 71 * DAY)[0] == 409
    books.clock.advance(3)
    assert books.get(path)["time_machine"]["time_travel_status"] == "succeeded"
    assert [row["date"] for row in books.rows("invoice")][:2] == [NOW, FEBRUARY]
    assert len(books.rows("invoice")) == 3
    assert books.customer("late")["created_at"] >= NOW + 70 * DAY


def test_time_machine_starts_afresh() -> None:
    """Customers and what is theirs are wiped, products stay, and the site's time begins where it was asked to."""
    books = Books(records=10)
    genesis = NOW - 400 * DAY
    books.post("/time_machines/delorean/start_afresh", genesis_time=genesis)
    books.clock.advance(3)
    assert books.get("/customers") == {"list": []}
    assert books.get("/item_prices")["list"]
    made = books.customer()
    assert genesis <= made["created_at"] <= genesis + 10
    books.subscribe(id="s1")
    books.post("/time_machines/delorean/travel_forward", destination_time=genesis + 100 * DAY)
    books.clock.advance(3)
    books.get("/time_machines/delorean")
    assert len(books.rows("invoice")) == 4


def test_clocks_travel_to_a_moment_and_never_back() -> None:
    """To a datetime or by a span, real time going on from there; a step back or a naive datetime is refused."""
    clock = SystemClock()
    before = clock.now()
    assert clock.travel(days=40) - before == pytest.approx(40 * DAY, abs=60)
    to = datetime.fromtimestamp(before + 50 * DAY, UTC)
    assert clock.travel(to) == pytest.approx(to.timestamp(), abs=60)
    with pytest.raises(ValueError, match="only moves forward"):
        clock.travel(datetime.fromtimestamp(before, UTC))
    with pytest.raises(ValueError, match="only moves forward"):
        ManualClock().travel(days=-1)
    with pytest.raises(ValueError, match="time zone"):
        clock.travel(datetime(2030, 1, 1))


@pytest.mark.anyio
async def test_sleepers_wake_by_travelling() -> None:
    """Who sleeps on the clock of the machine wakes when the journey passes the end of the sleep."""
    import asyncio

    clock = SystemClock()
    sleeping = asyncio.ensure_future(clock.sleep(3_600))
    await asyncio.sleep(0)
    clock.travel(hours=2)
    await asyncio.wait_for(sleeping, 30)


def quote(books: Books, **more: object) -> Any:
    """A quote for a subscription to the basic plan."""
    form = {"subscription_items[item_price_id][0]": "basic-USD-Monthly", **more}
    return books.post("/customers/ada/create_subscription_quote_for_items", form)["quote"]


def test_quotes_become_what_they_offer() -> None:
    """Accepted, then converted: a subscription and its invoice at the quoted total; not twice."""
    books = Books()
    books.customer()
    made = quote(books, **{"coupon_ids[0]": "WELCOME"})
    assert (made["status"], made["total"], made["operation_type"]) == ("open", 810, "create_subscription_for_customer")
    path = f"/quotes/{made['id']}"
    assert books.get(path)["quoted_subscription"]["subscription_items"][0]["item_price_id"] == "basic-USD-Monthly"
    books.post(f"{path}/update_status", status="accepted")
    assert books.refused(f"{path}/update_status", status="declined")[0] == 409
    done = books.post(f"{path}/convert", {"subscription[id]": "s1"})
    assert (done["quote"]["status"], done["subscription"]["id"], done["invoice"]["total"]) == ("invoiced", "s1", 810)
    assert books.refused(f"{path}/convert")[0] == 409
    assert books.refused(f"{path}/delete")[0] == 409


def test_quotes_for_changes_and_charges() -> None:
    """A quoted change is prorated when it is converted; quoted charges become an invoice."""
    books = Books()
    books.customer()
    books.subscribe(id="s1")
    form = {"subscription[id]": "s1", "subscription_items[item_price_id][0]": "enterprise-USD-Monthly"}
    change = books.post("/quotes/update_subscription_quote_for_items", form)["quote"]
    books.travel(days=15.5)
    done = books.post(f"/quotes/{change['id']}/convert")
    assert (done["invoice"]["total"], done["credit_note"]["total"]) == (9_950, 450)
    work = {"customer_id": "ada", "charges[amount][0]": 500, "charges[description][0]": "Work"}
    charges = books.post("/quotes/create_for_charge_items_and_charges", work)
    assert charges["quoted_charge"]["charges"][0]["amount"] == 500
    assert books.post(f"/quotes/{charges['quote']['id']}/convert")["invoice"]["total"] == 500


def test_quotes_expire() -> None:
    """After ``expires_at`` a quote cannot be converted, unless it is extended; deleted, it is gone."""
    books = Books()
    books.customer()
    made = quote(books, expires_at=NOW + 5 * DAY)
    books.fresh()
    books.travel(days=6)
    assert books.fresh() == ["quote_updated"]
    path = f"/quotes/{made['id']}"
    assert books.get(path)["quote"]["status"] == "expired"
    assert books.refused(f"{path}/convert")[0] == 409
    assert books.post(f"{path}/extend_expiry_date", valid_till=NOW + 20 * DAY)["quote"]["status"] == "open"
    assert books.post(f"{path}/pdf")["download"]["download_url"].endswith(".pdf")
    books.post(f"{path}/delete")
    assert books.send("GET", path)[0] == 404


def test_hosted_pages_and_portal_sessions() -> None:
    """A page is acknowledged once it has succeeded; a session is activated with its token, once."""
    books = Books()
    books.customer()
    page = books.post(
        "/hosted_pages/checkout_new_for_items", {"subscription_items[item_price_id][0]": "basic-USD-Monthly"}
    )["hosted_page"]
    path = f"/hosted_pages/{page['id']}/acknowledge"
    assert books.refused(path)[:2] == (409, "invalid_state_for_request")
    books.site.desk.save("hosted_page", {**page, "state": "succeeded"})
    assert books.post(path)["hosted_page"]["state"] == "acknowledged"
    session = books.post("/portal_sessions", {"customer[id]": "ada"})["portal_session"]
    path = f"/portal_sessions/{session['id']}"
    assert books.refused(f"{path}/activate", token="wrong")[2] == "token"
    assert books.post(f"{path}/activate", token=session["token"])["portal_session"]["status"] == "activated"
    assert books.refused(f"{path}/activate", token=session["token"])[0] == 409
    assert books.post(f"{path}/logout")["portal_session"]["status"] == "logged_out"
    assert books.refused(f"{path}/logout")[0] == 409
