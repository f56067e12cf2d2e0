"""Subscriptions in both Product Catalogs: create, cancel, and the invoice that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from aiochargebee_gw.sandbox import ManualClock

from .caller import Caller

pytestmark = pytest.mark.anyio
NOW = 1_767_225_600
FEBRUARY = 1_769_904_000
DAY = 86_400


@pytest.fixture
def options() -> dict[str, object]:
    """Time stands still at the seeded now."""
    return {"clock": ManualClock()}


@pytest.fixture
async def customer(call: Caller) -> str:
    """A customer with a card and a billing address."""
    await call.post("/customers", {"id": "buyer", "card[number]": "4111111111111111", "billing_address[country]": "NO"})
    return "buyer"


def items(*ids: str, **more: str) -> dict[str, str]:
    """A form with subscription items."""
    return {f"subscription_items[item_price_id][{index}]": id for index, id in enumerate(ids)} | more


async def test_create_with_items(call: Caller, customer: str) -> None:
    """An active subscription, its first invoice and the payment by card, all with sums that agree."""
    form = items(
        "scale-USD-Monthly", "support-USD-Monthly", cf_seats_used="3", **{"subscription_items[quantity][0]": "5"}
    )
    reply = await call.post(
        f"/customers/{customer}/subscription_for_items", {**form, "id": "mine", "meta_data": '{"x":1}'}
    )
    assert list(reply.json) == ["subscription", "customer", "card", "invoice"]
    made, bill = reply.json["subscription"], reply.json["invoice"]
    assert (made["id"], made["status"], made["currency_code"]) == ("mine", "active", "USD")
    assert (made["current_term_start"], made["current_term_end"], made["next_billing_at"]) == (NOW, FEBRUARY, FEBRUARY)
    assert [(row["item_price_id"], row["quantity"], row["amount"]) for row in made["subscription_items"]] == [
        ("scale-USD-Monthly", 5, 24_500),
        ("support-USD-Monthly", 1, 1_500),
    ]
    assert (made["mrr"], made["cf_seats_used"], made["meta_data"]) == (26_000, 3, {"x": 1})
    assert (bill["total"], bill["amount_paid"], bill["amount_due"], bill["status"]) == (32_500, 32_500, 0, "paid")
    assert [row["entity_type"] for row in bill["line_items"]] == ["plan_item_price", "addon_item_price"]
    assert bill["billing_address"]["country"] == "NO"
    payment = (await call.get(f"/transactions/{bill['linked_payments'][0]['txn_id']}")).json["transaction"]
    assert (payment["amount"], payment["date"], payment["payment_method"]) == (32_500, NOW, "card")
    assert (await call.get("/subscriptions/mine")).json == {
        name: reply.json[name] for name in ("subscription", "customer", "card")
    }
    types = [row["event"]["event_type"] for row in await call.rows("/events", {"occurred_at[on]": str(NOW)})]
    assert types == [
        "customer_created",
        "card_added",
        "subscription_created",
        "invoice_generated",
        "payment_succeeded",
    ]


async def test_trial_future_and_yearly(call: Caller, customer: str) -> None:
    """A trial of the price, a start in the future and a term of a year each show in status and times."""
    path = f"/customers/{customer}/subscription_for_items"
    trial = (await call.post(path, items("team-USD-Monthly"))).json
    assert (trial["subscription"]["status"], trial["subscription"]["trial_end"]) == ("in_trial", NOW + 14 * DAY)
    assert "invoice" not in trial
    skipped = (await call.post(path, items("team-USD-Monthly", trial_end="0"))).json
    assert skipped["subscription"]["status"] == "active"
    own = (await call.post(path, items("basic-USD-Monthly", trial_end=str(NOW + DAY)))).json
    assert own["subscription"]["trial_end"] == NOW + DAY
    future = (await call.post(path, items("basic-USD-Monthly", start_date=str(NOW + DAY)))).json["subscription"]
    assert (future["status"], future["start_date"]) == ("future", NOW + DAY)
    yearly = (await call.post(path, items("basic-USD-Yearly"))).json["subscription"]
    assert (yearly["current_term_end"], yearly["mrr"]) == (NOW + 365 * DAY, 750)


async def test_volume_prices_and_own_price(call: Caller, customer: str) -> None:
    """Volume pricing takes the tier of the quantity; a ``unit_price`` that is sent wins."""
    path = f"/customers/{customer}/subscription_for_items"
    for quantity, unit in (("10", 700), ("11", 560)):
        form = items("volume-USD-Monthly", **{"subscription_items[quantity][0]": quantity})
        row = (await call.post(path, form)).json["subscription"]["subscription_items"][0]
        assert (row["unit_price"], row["amount"]) == (unit, unit * int(quantity))
    own = (await call.post(path, items("scale-USD-Monthly", **{"subscription_items[unit_price][0]": "0"}))).json
    assert (own["invoice"]["total"], own["invoice"]["status"]) == (0, "paid")
    assert "linked_payments" not in own["invoice"]


async def test_unpaid_invoices(call: Caller) -> None:
    """Without a card the invoice is due; with payment terms it is posted; the subscription says what is owed."""
    await call.post("/customers", {"id": "cash"})
    due = (await call.post("/customers/cash/subscription_for_items", items("basic-USD-Monthly"))).json
    assert (due["invoice"]["status"], due["invoice"]["amount_due"]) == ("payment_due", 900)
    assert (due["subscription"]["total_dues"], due["subscription"]["due_invoices_count"]) == (900, 1)
    posted = (
        await call.post("/customers/cash/subscription_for_items", items("basic-USD-Monthly", net_term_days="30"))
    ).json
    assert (posted["invoice"]["status"], posted["invoice"]["due_date"]) == ("posted", NOW + 30 * DAY)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, (400, "param_wrong_value", "subscription_items[item_price_id][0]")),
        (items(""), (400, "param_wrong_value", "subscription_items[item_price_id][0]")),
        ({"subscription_items[quantity][1]": "2"}, (400, "param_wrong_value", "subscription_items[item_price_id][0]")),
        (items("nope"), (404, "resource_not_found", "subscription_items[item_price_id][0]")),
        (items("basic-USD-Monthly", "nope"), (404, "resource_not_found", "subscription_items[item_price_id][1]")),
        (items("support-USD-Monthly"), (400, "param_wrong_value", "subscription_items[item_price_id][0]")),
        (
            items("basic-USD-Monthly", "support-EUR-Monthly"),
            (400, "param_wrong_value", "subscription_items[item_price_id][1]"),
        ),
        (items("basic-USD-Monthly", id="sub_1"), (400, "duplicate_entry", "id")),
        (items("legacy-USD-Monthly"), (400, "param_wrong_value", "subscription_items[item_price_id][0]")),
        (
            items("scale-USD-Monthly", **{"subscription_items[quantity][0]": "-1"}),
            (400, "param_wrong_value", "subscription_items[quantity][0]"),
        ),
        (
            items(
                "scale-USD-Monthly",
                **{
                    "subscription_items[quantity][0]": "999999999",
                    "subscription_items[unit_price][0]": "999999999",
                },
            ),
            (400, "param_wrong_value", "subscription_items[quantity][0]"),
        ),
    ],
)
async def test_bad_item_subscriptions(
    call: Caller, customer: str, form: dict[str, str], expected: tuple[Any, ...]
) -> None:
    """What is missing, unknown, contradictory or taken is refused with the parameter's name."""
    before = call.sandbox.count("subscription")
    assert (await call.post(f"/customers/{customer}/subscription_for_items", form)).code == expected
    assert call.sandbox.count("subscription") == before


async def test_create_with_plan(call: Caller) -> None:
    """Product Catalog 1.0: ``POST /subscriptions`` makes the customer along with the subscription."""
    form = {
        "plan_id": "scale-usd-monthly",
        "plan_quantity": "2",
        "customer[email]": "new@example.com",
        "customer[first_name]": "New",
        "billing_address[country]": "NO",
        "shipping_address[city]": "Bodø",
        "coupon_ids[0]": "WELCOME",
        "coupons[coupon_id][0]": "LOYAL",
    }
    reply = await call.post("/subscriptions", form)
    made, customer = reply.json["subscription"], reply.json["customer"]
    assert (made["plan_id"], made["plan_quantity"], made["plan_amount"]) == ("scale-usd-monthly", 2, 9_800)
    assert "subscription_items" not in made
    assert (customer["email"], customer["id"]) == ("new@example.com", made["customer_id"])
    assert customer["billing_address"]["country"] == "NO"
    assert made["shipping_address"]["city"] == "Bodø"
    assert [row["coupon_id"] for row in made["coupons"]] == ["WELCOME", "LOYAL"]
    assert reply.json["invoice"]["line_items"][0]["entity_type"] == "plan"
    second = (await call.post(f"/customers/{customer['id']}/subscriptions", {"plan_id": "basic-usd-monthly"})).json
    assert second["subscription"]["customer_id"] == customer["id"]
    assert len(await call.ids(f"/customers/{customer['id']}/subscriptions")) == 2


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, (400, "param_wrong_value", "plan_id")),
        ({"plan_id": "nope"}, (404, "resource_not_found", "plan_id")),
        ({"plan_id": "basic-usd-monthly", "customer[id]": "cust_1"}, (400, "duplicate_entry", "customer[id]")),
        ({"plan_id": "legacy-usd-monthly"}, (400, "param_wrong_value", "plan_id")),
        (
            {"plan_id": "scale-usd-monthly", "plan_quantity": "9999999999"},
            (400, "param_wrong_value", "plan_quantity"),
        ),
        ({"plan_id": "basic-usd-monthly", "id": "sub_1"}, (400, "duplicate_entry", "id")),
        ({"plan_id": "basic-usd-monthly", "customer[email]": "x"}, (400, "param_wrong_value", "customer[email]")),
    ],
)
async def test_bad_plan_subscriptions(call: Caller, form: dict[str, str], expected: tuple[Any, ...]) -> None:
    """A refused ``POST /subscriptions`` leaves no customer behind."""
    before = call.sandbox.count("customer")
    assert (await call.post("/subscriptions", form)).code == expected
    assert call.sandbox.count("customer") == before


async def test_cancel_at_once(call: Caller, customer: str) -> None:
    """Cancelled now: no next billing, and a second cancellation is 409."""
    id = (await call.post(f"/customers/{customer}/subscription_for_items", items("basic-USD-Monthly"))).json[
        "subscription"
    ]["id"]
    reply = await call.post(f"/subscriptions/{id}/cancel_for_items", {"cancel_reason_code": "Too expensive"})
    assert list(reply.json) == ["subscription", "customer", "card"]
    ended = reply.json["subscription"]
    assert (ended["status"], ended["cancelled_at"], ended["cancel_reason_code"]) == ("cancelled", NOW, "Too expensive")
    assert (ended["mrr"], "next_billing_at" in ended) == (0, False)
    for path in ("cancel_for_items", "cancel"):
        assert (await call.post(f"/subscriptions/{id}/{path}")).code == (409, "invalid_state_for_request", None)
    types = [row["event"]["event_type"] for row in await call.rows("/events", {"occurred_at[on]": str(NOW)})]
    assert types[-1] == "subscription_cancelled"


@pytest.mark.parametrize("form", [{"end_of_term": "true"}, {"cancel_option": "end_of_term"}])
async def test_cancel_at_term_end(call: Caller, customer: str, form: dict[str, str]) -> None:
    """At the term's end: ``non_renewing`` until then, and it can still be ended at once."""
    id = (await call.post(f"/customers/{customer}/subscription_for_items", items("basic-USD-Monthly"))).json[
        "subscription"
    ]["id"]
    ending = (await call.post(f"/subscriptions/{id}/cancel_for_items", form)).json["subscription"]
    assert (ending["status"], ending["cancelled_at"], ending["cancel_schedule_created_at"]) == (
        "non_renewing",
        FEBRUARY,
        NOW,
    )
    assert (ending["remaining_billing_cycles"], "next_billing_at" in ending) == (0, False)
    assert (await call.post(f"/subscriptions/{id}/cancel")).json["subscription"]["status"] == "cancelled"


async def test_cancel_on_a_date(call: Caller, customer: str) -> None:
    """``cancel_at`` must lie ahead; ``specific_date`` without it is 400."""
    id = (await call.post(f"/customers/{customer}/subscription_for_items", items("basic-USD-Monthly"))).json[
        "subscription"
    ]["id"]
    path = f"/subscriptions/{id}/cancel_for_items"
    assert (await call.post(path, {"cancel_option": "specific_date"})).code == (400, "param_wrong_value", "cancel_at")
    assert (await call.post(path, {"cancel_at": str(NOW)})).code == (400, "param_wrong_value", "cancel_at")
    ending = (await call.post(path, {"cancel_at": str(NOW + 90 * DAY)})).json["subscription"]
    assert (ending["status"], ending["cancelled_at"], ending["current_term_end"]) == (
        "non_renewing",
        NOW + 90 * DAY,
        NOW + 90 * DAY,
    )


async def test_term_end_of_seeded_subscriptions_lies_ahead(call: Caller, options: dict[str, ManualClock]) -> None:
    """Seeded terms stand still while the clock runs on; a cancellation still ends in the future."""
    options["clock"].advance(400 * DAY)
    ending = (await call.post("/subscriptions/sub_1/cancel_for_items", {"end_of_term": "true"})).json["subscription"]
    assert ending["cancelled_at"] > NOW + 400 * DAY


async def test_no_term_no_end(call: Caller) -> None:
    """A subscription without any term cannot end at its term's end."""
    call.sandbox.insert("subscription", {"id": "bare", "customer_id": "cust_1"})
    reply = await call.post("/subscriptions/bare/cancel_for_items", {"end_of_term": "true"})
    assert reply.code == (409, "invalid_state_for_request", None)
    assert (await call.post("/subscriptions/bare/cancel")).json["subscription"]["status"] == "cancelled"


PC1 = [
    ("GET", "/plans"),
    ("GET", "/plans/basic-usd-monthly"),
    ("POST", "/subscriptions"),
    ("POST", "/customers/cust_1/subscriptions"),
    ("POST", "/subscriptions/sub_1/cancel"),
    ("POST", "/hosted_pages/checkout_new"),
]
PC2 = [
    ("GET", "/items"),
    ("GET", "/item_prices"),
    ("GET", "/item_families"),
    ("GET", "/items/basic"),
    ("POST", "/customers/cust_1/subscription_for_items"),
    ("POST", "/subscriptions/sub_1/cancel_for_items"),
    ("POST", "/hosted_pages/checkout_new_for_items"),
]


@pytest.mark.parametrize(
    ("options", "closed", "open_", "error_code"),
    [
        ({"catalog": "pc2"}, PC1, PC2, "pc2_to_pc1_error"),
        ({"catalog": "pc1"}, PC2, PC1, "pc1_to_pc2_error"),
    ],
)
async def test_wrong_catalog(
    call: Caller, closed: list[tuple[str, str]], open_: list[tuple[str, str]], error_code: str
) -> None:
    """Operations of the other Product Catalog are 400 ``configuration_incompatible`` with the vendor's message."""
    for method, path in closed:
        reply = await call.send(method, f"/chargebee/api/v2{path}")
        assert reply.code == (400, "configuration_incompatible", None), path
        assert reply.json["message"] == "This API operation is not enabled for this site"
        assert reply.json["error_code"] == error_code
    for method, path in open_:
        assert (await call.send(method, f"/chargebee/api/v2{path}")).json.get(
            "api_error_code"
        ) != "configuration_incompatible"
    assert (await call.get("/customers/cust_1/subscriptions")).status == 200


@pytest.mark.parametrize(
    ("options", "style"), [({"catalog": "pc2"}, "subscription_items"), ({"catalog": "pc1"}, "plan_id")]
)
async def test_shape_follows_the_catalog(call: Caller, style: str) -> None:
    """Seeded subscriptions have the shape of the site's Product Catalog."""
    rows = [row["subscription"] for row in await call.rows("/subscriptions")]
    assert all(style in row for row in rows)
    assert all(("plan_id" in row) != ("subscription_items" in row) for row in rows)
