"""What a subscription call sells: the plan or the item prices it names, quantities, prices, term and trial."""

from __future__ import annotations

from attrs import frozen

from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._money import Line
from aiochargebee_gw.sandbox._problems import missing, wrong_value

MAX_NUMBER = 999_999_999
MAX_AMOUNT = 10**15
FIRST_ITEM = "subscription_items[item_price_id][0]"


@frozen
class Sale:
    """Currency, term, end of the trial if any, what goes into the subscription, and undated invoice lines."""

    currency: str
    period: int
    unit: str
    trial_end: int | None
    attributes: JsonObject
    lines: tuple[Line, ...]

    @property
    def amount(self) -> int:
        """Price of one term."""
        return sum(line.amount for line in self.lines)


def plan_sale(desk: Desk, params: JsonObject) -> Sale:
    """Product Catalog 1.0: ``plan_id``, ``plan_quantity``, ``plan_unit_price``."""
    plan = _on_sale(desk, "plan", params["plan_id"], "plan_id")
    quantity = _number(params.get("plan_quantity"), 1, "plan_quantity")
    price = _number(params.get("plan_unit_price"), _unit_price(plan, quantity), "plan_unit_price")
    line = Line(
        plan["id"], "plan", plan.get("invoice_name") or plan["name"], quantity, price, 0, 0, plan["pricing_model"]
    )
    attributes: JsonObject = {
        "plan_id": plan["id"],
        "plan_quantity": quantity,
        "plan_unit_price": price,
        "plan_amount": line.amount,
        "plan_free_quantity": 0,
    }
    trial_end = _trial_end(desk, params, plan)
    return Sale(plan["currency_code"], plan["period"], plan["period_unit"], trial_end, attributes, (line,))


def item_sale(desk: Desk, params: JsonObject) -> Sale:
    """Product Catalog 2.0: ``subscription_items``, one of them a plan, all in one currency."""
    rows = params.get("subscription_items")
    if not rows:
        raise missing(FIRST_ITEM)
    prices = [
        _on_sale(desk, "item_price", row["item_price_id"], f"subscription_items[item_price_id][{index}]")
        for index, row in enumerate(rows)
    ]
    plan = next((price for price in prices if price["item_type"] == "plan"), None)
    if plan is None:
        raise wrong_value(FIRST_ITEM, "a subscription needs an item price of type plan")
    items: list[JsonObject] = []
    lines: list[Line] = []
    for index, (row, price) in enumerate(zip(rows, prices, strict=True)):
        if price["currency_code"] != plan["currency_code"]:
            raise wrong_value(f"subscription_items[item_price_id][{index}]", "all item prices need one currency")
        line = _item_line(row, price, index)
        lines.append(line)
        items.append(_item(row, price, line))
    if sum(line.amount for line in lines) > MAX_AMOUNT:
        raise wrong_value("subscription_items[quantity][0]", "the amount is too large")
    trial_end = _trial_end(desk, params, plan)
    period, unit = plan.get("period", 1), plan.get("period_unit", "month")
    return Sale(plan["currency_code"], period, unit, trial_end, {"subscription_items": items}, tuple(lines))


def _on_sale(desk: Desk, kind: str, id: str, param: str) -> JsonObject:
    value = desk.find(kind, id, param=param)
    if value.get("status", "active") != "active":
        raise wrong_value(param, f"{id} is {value['status']}")
    return value


def _item_line(row: JsonObject, price: JsonObject, index: int) -> Line:
    quantity = _number(row.get("quantity"), 1, f"subscription_items[quantity][{index}]")
    unit = _number(row.get("unit_price"), _unit_price(price, quantity), f"subscription_items[unit_price][{index}]")
    name = price.get("external_name") or price["name"]
    return Line(price["id"], f"{price['item_type']}_item_price", name, quantity, unit, 0, 0, price["pricing_model"])


def _item(row: JsonObject, price: JsonObject, line: Line) -> JsonObject:
    kept = ("trial_end", "billing_cycles", "service_period_days", "charge_on_event", "charge_once", "description")
    item: JsonObject = {
        "item_price_id": price["id"],
        "item_type": price["item_type"],
        "quantity": line.quantity,
        "unit_price": line.unit_amount,
        "amount": line.amount,
        "billing_period": price.get("period"),
        "billing_period_unit": price.get("period_unit"),
        "free_quantity": 0,
        **{name: row[name] for name in kept if name in row},
        "object": "subscription_item",
    }
    return without_nulls(item)


def _unit_price(price: JsonObject, quantity: int) -> int:
    if "price" in price:
        return int(price["price"])
    fitting = [tier for tier in price.get("tiers", ()) if tier["starting_unit"] <= max(quantity, 1)]
    return int(fitting[-1]["price"]) if fitting else 0


def _number(value: int | None, default: int, param: str) -> int:
    if value is None:
        return default
    if not 0 <= value <= MAX_NUMBER:
        raise wrong_value(param, f"must be between 0 and {MAX_NUMBER}")
    return value


def _trial_end(desk: Desk, params: JsonObject, price: JsonObject) -> int | None:
    sent: int | None = params.get("trial_end")
    if sent is not None:
        # The vendor's way to start without the plan's trial is trial_end=0.
        return sent if sent > desk.at() else None
    if "trial_period" not in price:
        return None
    begin = params.get("start_date") or desk.at()
    return add_period(begin, price["trial_period"], price["trial_period_unit"])
