"""What is on sale: families, items, prices, plans, addons, coupons; what is in use, taken or of the other catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from .books import Books


def price(id: str, item: str = "tea", **more: Any) -> dict[str, object]:
    """A form for an item price."""
    base = {"id": id, "name": id, "item_id": item, "pricing_model": "per_unit", "price": 300, "currency_code": "USD"}
    return {**base, "period": 1, "period_unit": "month", **more}


def tea(books: Books, type: str = "plan") -> None:
    """A family and an item in it."""
    books.post("/item_families", id="drinks", name="Drinks")
    books.post("/items", id="tea", name="Tea", type=type, item_family_id="drinks")


def test_items_from_family_to_subscription(books: Books) -> None:
    """A new price can be sold at once; each step has its event."""
    tea(books)
    made = books.post("/item_prices", price("tea-USD"))["item_price"]
    assert (made["item_type"], made["item_family_id"]) == ("plan", "drinks")
    assert books.fresh() == ["item_family_created", "item_created", "item_price_created"]
    assert books.subscribe("tea-USD", **{"subscription_items[quantity][0]": "3"})["invoice"]["total"] == 900
    assert [row["item"]["id"] for row in books.get("/items", {"item_family_id[is]": "drinks"})["list"]] == ["tea"]


def test_ids_and_names_are_unique(books: Books) -> None:
    """A taken id or name is 400 ``duplicate_entry`` and names the parameter."""
    tea(books)
    books.post("/item_prices", price("tea-USD"))
    for path, form, param in (
        ("/item_families", {"id": "drinks", "name": "x"}, "id"),
        ("/item_families", {"id": "x", "name": "Drinks"}, "name"),
        ("/items", {"id": "tea", "name": "x", "type": "plan", "item_family_id": "drinks"}, "id"),
        ("/item_prices", price("tea-USD", name="x"), "id"),
        ("/item_prices", price("x", name="tea-USD"), "name"),
        ("/plans", {"id": "basic-usd-monthly", "name": "x"}, "id"),
        ("/addons", {"id": "support-usd-monthly", "name": "x", "charge_type": "non_recurring"}, "id"),
    ):
        assert books.refused(path, form)[1:] == ("duplicate_entry", param), path


def test_references_and_requirements(books: Books) -> None:
    """A family, an item, a period, a price and whole tiers are needed; the parameter is named."""
    tea(books)
    for path, form, param in (
        ("/items", {"id": "x", "name": "x", "type": "plan", "item_family_id": "nope"}, "item_family_id"),
        ("/item_prices", price("x", item_id="nope"), "item_id"),
        ("/item_prices", price("x", period_unit=""), "period_unit"),
        ("/item_prices", price("x", price=""), "price"),
        ("/item_prices", price("x", pricing_model="tiered"), "tiers[starting_unit][0]"),
        (
            "/item_prices",
            price("x", pricing_model="volume", **{"tiers[starting_unit][0]": "2", "tiers[price][0]": "5"}),
            "tiers[starting_unit][0]",
        ),
        ("/addons", {"id": "x", "name": "x", "charge_type": "recurring"}, "period_unit"),
    ):
        assert books.refused(path, form)[2] == param, path


@pytest.mark.parametrize(
    ("model", "quantity", "total"),
    [
        ("tiered", 12, 10 * 100 + 2 * 80),
        ("volume", 12, 12 * 80),
        ("volume", 10, 10 * 100),
        ("stairstep", 12, 80),
        ("flat_fee", 12, 100),
        ("per_unit", 12, 1_200),
    ],
)
def test_pricing_models(books: Books, model: str, quantity: int, total: int) -> None:
    """Each model counts its own way, on the subscription and on the invoice."""
    tea(books)
    tiers = {
        "tiers[starting_unit][0]": 1,
        "tiers[ending_unit][0]": 10,
        "tiers[price][0]": 100,
        "tiers[starting_unit][1]": 11,
        "tiers[price][1]": 80,
    }
    plain = model in ("flat_fee", "per_unit")
    form = price("p", pricing_model=model, price=100 if plain else "") | ({} if plain else tiers)
    books.post("/item_prices", form)
    made = books.subscribe("p", **{"subscription_items[quantity][0]": str(quantity)})
    assert made["invoice"]["total"] == made["subscription"]["subscription_items"][0]["amount"] == total


def test_what_is_in_use_is_archived(books: Books) -> None:
    """A price that a subscription has is archived, another one deleted; a family or item with children stays."""
    tea(books)
    for id in ("used", "free"):
        books.post("/item_prices", price(id))
    books.subscribe("used", id="s1")
    assert books.post("/item_prices/used/delete")["item_price"]["status"] == "archived"
    assert books.post("/item_prices/free/delete")["item_price"]["deleted"] is True
    assert books.send("GET", "/item_prices/free")[0] == 404
    assert books.refused("/items/tea/delete")[0] == 400
    assert books.refused("/item_families/drinks/delete")[0] == 400
    form = {"subscription_items[item_price_id][0]": "used"}
    assert books.refused("/customers/ada/subscription_for_items", form)[2] == "subscription_items[item_price_id][0]"
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 300


def test_updates(books: Books) -> None:
    """What is left out stays; a new price is for new subscriptions and changes, not for renewals."""
    tea(books)
    books.post("/item_prices", price("p"))
    books.subscribe("p", id="s1")
    changed = books.post("/item_prices/p", price=500)["item_price"]
    assert (changed["price"], changed["name"]) == (500, "p")
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 300
    assert books.post("/items/tea", status="archived")["item"]["archived_at"] > 0
    assert books.post("/item_families/drinks", name="Hot drinks")["item_family"]["name"] == "Hot drinks"


def test_plans_and_addons() -> None:
    """Product Catalog 1.0: created, changed, archived where used, brought back."""
    books = Books(catalog="pc1")
    books.customer()
    books.fresh()
    books.post("/plans", id="gold", name="Gold", price=5_000, period=1, period_unit="year")
    books.post("/addons", id="box", name="Box", charge_type="recurring", price=100, period_unit="year")
    assert books.fresh() == ["plan_created", "addon_created"]
    books.post("/customers/ada/subscriptions", {"plan_id": "gold", "addons[id][0]": "box"})
    assert books.post("/plans/gold/delete")["plan"]["status"] == "archived"
    assert books.post("/plans/gold/unarchive")["plan"]["status"] == "active"
    books.post("/plans", id="iron", name="Iron")
    assert books.post("/plans/iron/delete")["plan"]["status"] == "deleted"
    assert "iron" not in [row["plan"]["id"] for row in books.get("/plans", limit=100)["list"]]
    assert books.post("/addons/box", price=200)["addon"]["price"] == 200


def test_coupons_give_what_they_say(books: Books) -> None:
    """Fixed and percentage, once, for a time and for ever, on the whole and on one item."""
    for id, form in {
        "once": {"discount_type": "fixed_amount", "discount_amount": 100, "duration_type": "one_time"},
        "always": {"discount_percentage": 10, "duration_type": "forever"},
        "twice": {
            "discount_percentage": 50,
            "duration_type": "limited_period",
            "period": 45,
            "period_unit": "day",
        },
    }.items():
        books.post("/coupons/create_for_items", {"id": id, "name": id, "apply_on": "invoice_amount", **form})
        books.customer(f"of-{id}")
        books.subscribe(customer=f"of-{id}", id=id, **{"coupon_ids[0]": id})
    books.travel(days=65)
    totals = {
        id: [bill["total"] for bill in books.rows("invoice") if bill["subscription_id"] == id]
        for id in ("once", "always", "twice")
    }
    assert totals == {"once": [800, 900, 900], "always": [810, 810, 810], "twice": [450, 450, 900]}
    books.post(
        "/coupons/create_for_items",
        {
            "id": "item",
            "name": "item",
            "apply_on": "each_specified_item",
            "discount_percentage": 50,
            "item_constraints[item_type][0]": "addon",
            "item_constraints[constraint][0]": "specific",
            "item_constraints[item_price_ids][0]": '["support-USD-Monthly"]',
        },
    )
    bill = books.subscribe("basic-USD-Monthly", "support-USD-Monthly", **{"coupon_ids[0]": "item"})["invoice"]
    assert [row["discount_amount"] for row in bill["line_items"]] == [0, 750]


def test_coupon_rules(books: Books) -> None:
    """What a coupon needs, how often it can be redeemed, and that one in use is archived."""
    path = "/coupons/create_for_items"
    base = {"id": "c", "name": "c", "apply_on": "invoice_amount"}
    assert books.refused(path, base)[2] == "discount_percentage"
    assert books.refused(path, base | {"discount_type": "fixed_amount"})[2] == "discount_amount"
    assert books.refused(path, base | {"discount_percentage": 101})[2] == "discount_percentage"
    assert books.refused(path, base | {"discount_percentage": 5, "duration_type": "limited_period"})[2] == "period"
    books.post(path, base | {"discount_percentage": 5, "max_redemptions": 1})
    books.subscribe(**{"coupon_ids[0]": "c"})
    form = {"subscription_items[item_price_id][0]": "basic-USD-Monthly", "coupon_ids[0]": "c"}
    assert books.refused("/customers/ada/subscription_for_items", form)[2] == "coupon_ids[0]"
    assert books.refused("/coupons/c/update_for_items", discount_percentage=9)[0] == 409
    assert books.post("/coupons/c/delete")["coupon"]["status"] == "archived"
    assert books.post("/coupons/c/unarchive")["coupon"]["status"] == "active"


def test_coupon_codes(books: Books) -> None:
    """A set counts its codes; a code is redeemed once; unused ones can go."""
    books.post("/coupon_sets", id="set", name="Set", coupon_id="LOYAL")
    codes = {"code[0]": "A1", "code[1]": "A2", "code[2]": "A3"}
    assert books.post("/coupon_sets/set/add_coupon_codes", codes)["coupon_set"]["total_count"] == 3
    assert books.refused("/coupon_sets/set/add_coupon_codes", {"code[0]": "A4", "code[1]": "A1"})[2] == "code[1]"
    made = books.subscribe(**{"coupon_ids[0]": "A1"})["subscription"]
    assert (made["coupons"][0]["coupon_id"], made["coupons"][0]["coupon_code"]) == ("LOYAL", "A1")
    assert books.get("/coupon_codes/A1")["coupon_code"]["status"] == "redeemed"
    form = {"subscription_items[item_price_id][0]": "basic-USD-Monthly", "coupon_ids[0]": "A1"}
    assert books.refused("/customers/ada/subscription_for_items", form)[2] == "coupon_ids[0]"
    assert books.post("/coupon_codes/A2/archive")["coupon_code"]["status"] == "archived"
    value = books.post("/coupon_sets/set/delete_unused_coupon_codes")["coupon_set"]
    assert (value["total_count"], value["redeemed_count"], value["archived_count"]) == (2, 1, 1)
    made = books.post("/coupon_codes", coupon_id="LOYAL", coupon_set_name="Other", code="B1")["coupon_code"]
    assert made["coupon_set_name"] == "Other"
    books.post("/coupon_sets/set/delete")
    assert books.send("GET", "/coupon_codes/A1")[0] == 404


@pytest.mark.parametrize(
    ("catalog", "paths"),
    [
        ("pc2", ["/plans", "/addons", "/coupons", "/subscriptions", "/invoices/charge", "/unbilled_charges/create"]),
        (
            "pc1",
            ["/items", "/item_families", "/item_prices", "/coupons/create_for_items", "/unbilled_charges"],
        ),
    ],
)
def test_the_other_catalogue_is_refused(catalog: str, paths: list[str]) -> None:
    """Writing what only the other Product Catalog has is 400 ``configuration_incompatible``."""
    books = Books(catalog=catalog)
    for path in paths:
        assert books.refused(path)[:2] == (400, "configuration_incompatible"), path
