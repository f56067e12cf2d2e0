"""What a subscription bills: the lines of a term, its discounts, and what it is worth a month."""

from __future__ import annotations

from aiochargebee_gw.sandbox._billing.amounts import monthly
from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._life.schedule import term_of

MANUAL = {"invoice_amount": "document_level_discount", "specific_item_price": "item_level_discount"}


def recurring_lines(desk: Desk, value: JsonObject, start: int, end: int) -> list[Line]:
    """The plan and the addons for one term, at the prices that the subscription was sold at."""
    if "plan_id" in value:
        return _legacy_lines(desk, value, start, end)
    return [
        item_line(desk, value["id"], item, start, end)
        for item in value.get("subscription_items", [])
        if item.get("item_type") != "charge"
    ]


def charge_lines(desk: Desk, value: JsonObject, at: int) -> list[Line]:
    """The one-off charges among the items of a new subscription, and its set-up fee."""
    found = [
        item_line(desk, value["id"], item, at, at)
        for item in value.get("subscription_items", [])
        if item.get("item_type") == "charge" and "charge_on_event" not in item
    ]
    fee = value.get("setup_fee")
    if fee:
        found.append(
            Line(
                entity_type="plan_setup",
                entity_id=value.get("plan_id"),
                description="Setup fee",
                amount=fee,
                unit_amount=fee,
                date_from=at,
                date_to=at,
                subscription_id=value["id"],
            )
        )
    return found


def item_line(desk: Desk, subscription_id: str | None, item: JsonObject, start: int, end: int) -> Line:
    """One subscription item as a line."""
    price = desk.store.get("item_price", item["item_price_id"]) or {}
    return Line(
        entity_type=f"{item.get('item_type', 'plan')}_item_price",
        entity_id=item["item_price_id"],
        description=price.get("external_name") or price.get("name") or item["item_price_id"],
        amount=item.get("amount", 0),
        unit_amount=item.get("unit_price", 0),
        quantity=item.get("quantity", 1),
        date_from=start,
        date_to=end,
        pricing_model=price.get("pricing_model", "flat_fee"),
        taxable=price.get("is_taxable", True),
        subscription_id=subscription_id,
    )


def _legacy_lines(desk: Desk, value: JsonObject, start: int, end: int) -> list[Line]:
    plan = desk.store.get("plan", value["plan_id"]) or {}
    rows = [
        Line(
            entity_type="plan",
            entity_id=value["plan_id"],
            description=plan.get("invoice_name") or plan.get("name") or value["plan_id"],
            amount=value.get("plan_amount", 0),
            unit_amount=value.get("plan_unit_price", 0),
            quantity=value.get("plan_quantity", 1),
            date_from=start,
            date_to=end,
            pricing_model=plan.get("pricing_model", "flat_fee"),
            taxable=plan.get("taxable", True),
            subscription_id=value["id"],
        )
    ]
    return rows + [addon_line(desk, value["id"], row, start, end) for row in value.get("addons", [])]


def addon_line(desk: Desk, subscription_id: str, row: JsonObject, start: int, end: int) -> Line:
    """One addon of a Product Catalog 1.0 subscription as a line."""
    addon = desk.store.get("addon", row["id"]) or {}
    return Line(
        entity_type="addon",
        entity_id=row["id"],
        description=addon.get("invoice_name") or addon.get("name") or row["id"],
        amount=row.get("amount", 0),
        unit_amount=row.get("unit_price", 0),
        quantity=row.get("quantity", 1),
        date_from=start,
        date_to=end,
        pricing_model=addon.get("pricing_model", "flat_fee"),
        taxable=addon.get("taxable", True),
        subscription_id=subscription_id,
    )


def worth(value: JsonObject) -> int:
    """``mrr``: what the recurring items cost a month, without discounts and taxes."""
    if value["status"] not in ("active", "non_renewing"):
        return 0
    period, unit = term_of(value)
    if "plan_id" in value:
        amounts = [value.get("plan_amount", 0), *(row.get("amount", 0) for row in value.get("addons", []))]
    else:
        amounts = [
            item.get("amount", 0) for item in value.get("subscription_items", []) if item.get("item_type") != "charge"
        ]
    return sum(monthly(amount, period, unit) for amount in amounts)


def discount_terms(desk: Desk, value: JsonObject) -> list[JsonObject]:
    """The coupons and manual discounts that are good for an invoice made now (``_billing.lines.discounts``)."""
    at = desk.at()
    found: list[JsonObject] = []
    for row in value.get("coupons", []):
        coupon = desk.store.get("coupon", row["coupon_id"])
        if coupon is not None and still_good(coupon["duration_type"], row, at):
            found.append(coupon_term(coupon, value["currency_code"]))
    for row in value.get("discounts", []):
        if still_good(row["duration_type"], row, at):
            found.append(
                {
                    "entity_type": MANUAL[row["apply_on"]],
                    "entity_id": row["id"],
                    "description": row.get("invoice_name", "Discount"),
                    "percentage": row.get("percentage"),
                    "amount": row.get("amount"),
                    "only": [row["item_price_id"]] if "item_price_id" in row else None,
                }
            )
    return found


def coupon_term(coupon: JsonObject, currency: str) -> JsonObject:
    """What a coupon gives on one invoice; a fixed amount only in its own currency."""
    each = coupon["apply_on"] == "each_specified_item"
    specific = [
        id
        for row in coupon.get("item_constraints", [])
        if row["constraint"] == "specific"
        for id in row.get("item_price_ids", [])
    ]
    specific += [*coupon.get("plan_ids", []), *coupon.get("addon_ids", [])]
    fits = coupon.get("currency_code", currency) == currency
    return {
        "entity_type": "item_level_coupon" if each else "document_level_coupon",
        "entity_id": coupon["id"],
        "description": coupon.get("invoice_name") or coupon["name"],
        "percentage": coupon.get("discount_percentage"),
        "amount": coupon.get("discount_amount") if fits else None,
        "only": specific if each and specific else None,
    }


def still_good(duration: str, row: JsonObject, at: int) -> bool:
    """Whether a coupon or discount of a subscription counts for an invoice made at this time."""
    if duration == "one_time":
        return not row.get("applied_count")
    return duration == "forever" or at < int(row.get("apply_till", at + 1))


def count_use(value: JsonObject, terms: list[JsonObject]) -> None:
    """Note on the subscription that these discounts were given once more."""
    given = {term["entity_id"] for term in terms}
    for row in value.get("coupons", []):
        if row["coupon_id"] in given:
            row["applied_count"] = row.get("applied_count", 0) + 1
    for row in value.get("discounts", []):
        if row["id"] in given:
            row["applied_count"] = row.get("applied_count", 0) + 1
