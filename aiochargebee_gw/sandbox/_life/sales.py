"""What a subscription call sells: the plan or the item prices it names, quantities, prices, term and trial."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from aiochargebee_gw.sandbox._billing.amounts import price_of
from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._problems import missing, wrong_value

MAX_NUMBER = 999_999_999
MAX_AMOUNT = 10**15
FIRST_ITEM = "subscription_items[item_price_id][0]"
_KEPT = ("trial_end", "billing_cycles", "service_period_days", "charge_on_event", "charge_once", "description")


@frozen
class Sale:
    """Currency, term, end of the trial if any, how many terms, and what goes into the subscription."""

    currency: str
    period: int
    unit: str
    trial_end: int | None
    cycles: int | None
    attributes: JsonObject


def plan_sale(desk: Desk, params: JsonObject) -> Sale:
    """Product Catalog 1.0: ``plan_id``, ``plan_quantity``, ``plan_unit_price`` and ``addons``."""
    plan = on_sale(desk, "plan", params["plan_id"], "plan_id")
    attributes = plan_attributes(plan, params)
    addons = addon_rows(desk, params.get("addons") or (), plan["currency_code"])
    if addons:
        attributes["addons"] = addons
    cycles = params.get("billing_cycles") or plan.get("billing_cycles")
    return Sale(
        plan["currency_code"], plan["period"], plan["period_unit"], trial_end(desk, params, plan), cycles, attributes
    )


def plan_attributes(plan: JsonObject, params: JsonObject) -> JsonObject:
    """What a plan says on a subscription, at this quantity and price."""
    quantity = _number(params.get("plan_quantity"), 1, "plan_quantity")
    unit_price = params.get("plan_unit_price")
    if unit_price is not None:
        _number(unit_price, 0, "plan_unit_price")
    price = price_of(plan, quantity, unit_price)
    return {
        "plan_id": plan["id"],
        "plan_quantity": quantity,
        "plan_unit_price": price.unit_amount,
        "plan_amount": price.amount,
        "plan_free_quantity": plan.get("free_quantity", 0),
    }


def addon_rows(desk: Desk, rows: Sequence[JsonObject], currency: str) -> list[JsonObject]:
    """The addons of a Product Catalog 1.0 subscription."""
    found: list[JsonObject] = []
    for index, row in enumerate(rows):
        if row.get("id") is None:
            raise missing(f"addons[id][{index}]")
        addon = on_sale(desk, "addon", row["id"], f"addons[id][{index}]")
        if addon["currency_code"] != currency:
            raise wrong_value(f"addons[id][{index}]", f"is not sold in {currency}")
        quantity = _number(row.get("quantity"), 1, f"addons[quantity][{index}]")
        price = price_of(addon, quantity, row.get("unit_price"))
        value: JsonObject = {
            "id": addon["id"],
            "quantity": quantity,
            "unit_price": price.unit_amount,
            "amount": price.amount,
            "remaining_billing_cycles": row.get("billing_cycles"),
            "object": "addon",
        }
        found.append(without_nulls(value))
    return found


def item_sale(desk: Desk, params: JsonObject) -> Sale:
    """Product Catalog 2.0: ``subscription_items``, one of them a plan, all in one currency."""
    rows = params.get("subscription_items")
    if not rows:
        raise missing(FIRST_ITEM)
    items, plan = item_rows(desk, rows)
    cycles = params.get("billing_cycles") or plan.get("billing_cycles")
    tiers = params.get("item_tiers")
    attributes: JsonObject = {"subscription_items": items}
    if tiers:
        attributes["item_tiers"] = [
            {"index": index, **without_nulls(tier), "object": "item_tier"} for index, tier in enumerate(tiers)
        ]
    return Sale(
        plan["currency_code"],
        plan.get("period", 1),
        plan.get("period_unit", "month"),
        trial_end(desk, params, plan),
        cycles,
        attributes,
    )


def item_rows(desk: Desk, rows: Sequence[JsonObject]) -> tuple[list[JsonObject], JsonObject]:
    """The subscription items of these rows, and the item price that is the plan. Raises ``Problem`` (400, 404)."""
    prices = [
        on_sale(desk, "item_price", row["item_price_id"], f"subscription_items[item_price_id][{index}]")
        for index, row in enumerate(rows)
    ]
    plans = [price for price in prices if price["item_type"] == "plan"]
    if not plans:
        raise wrong_value(FIRST_ITEM, "a subscription needs an item price of type plan")
    if len(plans) > 1:
        raise wrong_value(FIRST_ITEM, "a subscription has one item price of type plan")
    items: list[JsonObject] = []
    for index, (row, price) in enumerate(zip(rows, prices, strict=True)):
        if price["currency_code"] != plans[0]["currency_code"]:
            raise wrong_value(f"subscription_items[item_price_id][{index}]", "all item prices need one currency")
        items.append(_item(row, price, index))
    if sum(item["amount"] for item in items) > MAX_AMOUNT:
        raise wrong_value("subscription_items[quantity][0]", "the amount is too large")
    return items, plans[0]


def on_sale(desk: Desk, kind: str, id: str, param: str) -> JsonObject:
    """A plan, addon or item price that can be sold; raises ``Problem`` (404 unknown, 400 archived)."""
    value = desk.find(kind, id, param=param)
    if value.get("status", "active") != "active":
        raise wrong_value(param, f"{id} is {value['status']}")
    return value


def _item(row: JsonObject, price: JsonObject, index: int) -> JsonObject:
    quantity = _number(row.get("quantity"), 1, f"subscription_items[quantity][{index}]")
    if row.get("unit_price") is not None:
        _number(row["unit_price"], 0, f"subscription_items[unit_price][{index}]")
    cost = price_of(price, quantity, row.get("unit_price"))
    item: JsonObject = {
        "item_price_id": price["id"],
        "item_type": price["item_type"],
        "quantity": quantity,
        "unit_price": cost.unit_amount,
        "amount": cost.amount,
        "billing_period": price.get("period"),
        "billing_period_unit": price.get("period_unit"),
        "free_quantity": price.get("free_quantity", 0),
        **{name: row[name] for name in _KEPT if name in row},
        "object": "subscription_item",
    }
    return without_nulls(item)


def _number(value: int | None, default: int, param: str) -> int:
    if value is None:
        return default
    if not 0 <= value <= MAX_NUMBER:
        raise wrong_value(param, f"must be between 0 and {MAX_NUMBER}")
    return value


def trial_end(desk: Desk, params: JsonObject, price: JsonObject) -> int | None:
    """When the trial ends: as sent, else after the trial of the price; None without one."""
    sent: int | None = params.get("trial_end")
    if sent is not None:
        # The vendor's way to start without the plan's trial is trial_end=0.
        return sent if sent > desk.at() else None
    if "trial_period" not in price:
        return None
    begin = params.get("start_date") or desk.at()
    return add_period(begin, price["trial_period"], price["trial_period_unit"])
