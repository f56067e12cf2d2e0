"""Time as a user moves it: through the real client, with webhooks, with rows of the test's own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from aiohttp import web

from aiochargebee_gw import Gateway, NotFound
from aiochargebee_gw.sandbox import ManualClock, Sandbox
from aiochargebee_gw.sandbox._messages import Call

from .books import DAY, NOW, Books
from .invariants import complaints

pytestmark = pytest.mark.anyio


async def test_a_subscription_s_life_through_the_client() -> None:
    """Create, travel, change, pause, cancel, refund: typed answers all the way, and the books are right."""
    sandbox = Sandbox(records=5, clock=ManualClock())
    async with sandbox, sandbox.gateway() as gw:
        await buy(gw)
        sandbox.clock.travel(days=40)
        bills = await gw.invoices.list().collect()
        assert sum(bill.subscription_id == "s1" for bill in bills) == 2
        made = await gw.subscriptions.update_for_items(
            "s1", subscription_items=[{"item_price_id": "enterprise-USD-Monthly"}]
        )
        assert made.invoice is not None
        assert made.credit_notes is not None
        assert made.invoice.credits_applied == made.credit_notes[0].total
        assert (await gw.subscriptions.pause("s1")).subscription.status == "paused"
        assert (await gw.subscriptions.resume("s1")).subscription.status == "active"
        assert (await gw.subscriptions.cancel_for_items("s1")).subscription.status == "cancelled"
        back = await gw.invoices.refund(made.invoice.id, refund_amount=100)
        assert back.credit_note is not None
        assert (back.transaction.type, back.credit_note.amount_refunded) == ("refund", 100)
        await gw.subscriptions.delete("s1")
        with pytest.raises(NotFound):
            await gw.subscriptions.retrieve("s1")
    assert complaints(sandbox._site().desk.store) == []


async def buy(gw: Gateway) -> None:
    """A customer with a card and a subscription."""
    await gw.customers.create(id="ada", billing_address={"country": "DE"})
    await gw.payment_sources.create_card(
        customer_id="ada", card={"number": "4242424242424242", "expiry_month": 12, "expiry_year": 2039}
    )
    made = await gw.subscriptions.create_with_items(
        "ada", id="s1", subscription_items=[{"item_price_id": "basic-USD-Monthly"}]
    )
    assert made.invoice is not None
    assert (made.invoice.status, made.invoice.tax) == ("paid", 171)


async def test_a_journey_posts_its_webhooks() -> None:
    """What happens on a journey is posted to the endpoints, though nobody has called since."""
    seen: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        seen.append((await request.json())["event_type"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sandbox = Sandbox(records=0, clock=ManualClock())
    sandbox.webhooks.automatic = False
    async with sandbox, sandbox.gateway() as gw:
        await buy(gw)
        await gw.webhook_endpoints.create(name="w", url=f"http://127.0.0.1:{runner.addresses[0][1]}/")
        sandbox.clock.travel(days=40)
        await sandbox.webhooks.deliver()
    await runner.cleanup()
    assert seen == ["subscription_renewed", "invoice_generated", "payment_succeeded"]


async def test_a_day_a_term_for_400_days() -> None:
    """A daily subscription renews four hundred times in one journey: so many invoices, payments, no two of one day."""
    books = Books()
    books.customer()
    books.post("/items", id="daily", name="Daily", type="plan", item_family_id="cloud")
    form = {
        "id": "d",
        "name": "d",
        "item_id": "daily",
        "price": 100,
        "currency_code": "USD",
        "pricing_model": "flat_fee",
    }
    books.post("/item_prices", form | {"period": 1, "period_unit": "day"})
    books.subscribe("d", id="s1")
    books.travel(days=400)
    dates = [row["date"] for row in books.rows("invoice")]
    assert dates == [NOW + day * DAY for day in range(401)]
    assert len(books.rows("transaction")) == 401


STATUSES = ("future", "in_trial", "active", "non_renewing", "paused", "cancelled")
TIMES: tuple[dict[str, Any], ...] = (
    {},
    {"next_billing_at": NOW + DAY},
    {"next_billing_at": NOW - DAY, "billing_period": 0},
    {"start_date": NOW + DAY, "trial_end": NOW + 2 * DAY, "resume_date": NOW + DAY, "cancelled_at": NOW + DAY},
    {"current_term_start": NOW, "current_term_end": NOW + DAY, "next_billing_at": NOW + DAY},
)
ITEMS: tuple[dict[str, Any], ...] = (
    {},
    {"subscription_items": [{"item_price_id": "gone"}]},
    {"plan_id": "gone"},
)


async def test_rows_of_the_tests_own_take_part() -> None:
    """Inserted subscriptions of any status and any gaps join the first journey, or stand still, and break nothing."""
    sandbox = Sandbox(records=0, clock=ManualClock())
    sandbox.insert("customer", {"id": "ada"})
    shapes = [
        {"status": status, **times, **items, "customer_id": owner}
        for status, times, items, owner in itertools.product(STATUSES, TIMES, ITEMS, ("ada", "nobody"))
    ]
    ids = [sandbox.insert("subscription", shape)["id"] for shape in shapes]
    await sandbox.travel(days=100)
    found = [sandbox.get("subscription", id) for id in ids]
    statuses = {row["status"] for row in found if row is not None}
    assert statuses == set(STATUSES)
    assert {row.get("next_billing_at") for row in found if row is not None and row["status"] == "active"} >= {
        NOW + DAY,
        1_777_680_000,
    }
    site = sandbox._site()
    for id, path in itertools.product(ids, ("update_for_items", "change_term_end", "pause", "resume", "reactivate")):
        form = "subscription_items[item_price_id][0]=basic-USD-Monthly&pause_option=end_of_term"
        body = f"{form}&term_ends_at={NOW + 300 * DAY}".encode()
        call = Call("POST", f"/subscriptions/{id}/{path}", ("subscriptions", id, path), "", {}, body)
        assert site.answer(call).status in (200, 400, 402, 404, 409)


async def test_the_same_journey_twice_gives_the_same_books() -> None:
    """The same seed, the same calls, the same journeys: the same rows, whatever the day of the run."""
    images = []
    for _ in range(2):
        books = Books(records=20)
        books.customer()
        books.subscribe(id="s1")
        books.travel(days=200)
        images.append([books.rows(kind) for kind in ("subscription", "invoice", "transaction", "customer")])
    assert images[0] == images[1]
