"""Coupons and manual discounts on subscriptions and one-off invoices."""

from __future__ import annotations

from collections.abc import Iterator

from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._problems import Problem, missing, not_found, wrong_value


def redeem_all(desk: Desk, params: JsonObject) -> list[JsonObject]:
    """The coupon rows for a subscription; each coupon or code is redeemed. Raises ``Problem`` (400, 404)."""
    return [_row(desk, coupon, code, till) for coupon, code, till in _named(desk, params)]


def given(desk: Desk, params: JsonObject) -> list[JsonObject]:
    """The coupons of a one-off invoice; each is redeemed."""
    found = [coupon for coupon, _, _ in _named(desk, params)]
    for coupon in found:
        _count(desk, coupon)
    return found


def _named(desk: Desk, params: JsonObject) -> Iterator[tuple[JsonObject, JsonObject | None, int | None]]:
    wanted = [(f"coupon_ids[{index}]", id, None) for index, id in enumerate(params.get("coupon_ids") or ()) if id]
    wanted += [
        (f"coupons[coupon_id][{index}]", row["coupon_id"], row.get("apply_till"))
        for index, row in enumerate(params.get("coupons") or ())
        if row.get("coupon_id")
    ]
    if params.get("coupon"):
        wanted.append(("coupon", params["coupon"], None))
    for param, id, till in wanted:
        yield (*_resolve(desk, id, param), till)


def _resolve(desk: Desk, id: str, param: str) -> tuple[JsonObject, JsonObject | None]:
    code = desk.store.get("coupon_code", id)
    if code is not None and code["status"] != "not_redeemed":
        raise _not_applicable(param, f"The coupon code {id} is {code['status']}.")
    coupon = desk.store.get("coupon", code["coupon_id"] if code else id)
    if coupon is None or coupon["status"] == "deleted":
        raise not_found("coupon", id, param)
    if coupon["status"] != "active" or coupon.get("valid_till", desk.at() + 1) <= desk.at():
        raise _not_applicable(param, f"The coupon {id} is not active.")
    if coupon.get("redemptions", 0) >= coupon.get("max_redemptions", 2**31):
        raise _not_applicable(param, f"The coupon {id} cannot be redeemed any more.")
    return coupon, code


def _not_applicable(param: str, message: str) -> Problem:
    return Problem(400, "invalid_request", message, param=param, error_code="coupon_not_applicable")


def _count(desk: Desk, coupon: JsonObject) -> None:
    coupon["redemptions"] = coupon.get("redemptions", 0) + 1
    desk.save("coupon", coupon)


def _row(desk: Desk, coupon: JsonObject, code: JsonObject | None, till: int | None) -> JsonObject:
    _count(desk, coupon)
    if code is not None:
        desk.store.put("coupon_code", {**code, "status": "redeemed"})
        whole = desk.store.get("coupon_set", code["coupon_set_id"])
        if whole is not None:
            whole["redeemed_count"] = whole.get("redeemed_count", 0) + 1
            desk.store.put("coupon_set", whole)
    if till is None and coupon["duration_type"] == "limited_period":
        period = int(coupon.get("period") or coupon.get("duration_month") or 1)
        till = add_period(desk.at(), period, coupon.get("period_unit", "month"))
    row: JsonObject = {
        "coupon_id": coupon["id"],
        "apply_till": till,
        "applied_count": 0,
        "coupon_code": code["code"] if code else None,
        "object": "coupon",
    }
    return without_nulls(row)


def discount_rows(desk: Desk, currency: str, rows: list[JsonObject], first: int = 0) -> list[JsonObject]:
    """Manual discounts as a subscription shows them. Raises ``Problem`` (400)."""
    return [_discount(desk, currency, row, index, first) for index, row in enumerate(rows)]


def _discount(desk: Desk, currency: str, row: JsonObject, index: int, first: int) -> JsonObject:
    if (row.get("percentage") is None) == (row.get("amount") is None):
        raise wrong_value(f"discounts[percentage][{index}]", "either percentage or amount is needed")
    apply_on = row.get("apply_on", "invoice_amount")
    if apply_on == "specific_item_price" and row.get("item_price_id") is None:
        raise missing(f"discounts[item_price_id][{index}]")
    at, id = desk.at(), f"di_{desk.new_id()}"
    limited = row["duration_type"] == "limited_period"
    till = add_period(at, row.get("period") or 1, row.get("period_unit") or "month") if limited else None
    value: JsonObject = {
        "id": id,
        "invoice_name": "Discount",
        "type": "percentage" if row.get("percentage") is not None else "fixed_amount",
        "percentage": row.get("percentage"),
        "amount": row.get("amount"),
        "currency_code": currency,
        "duration_type": row["duration_type"],
        "period": row.get("period") if limited else None,
        "period_unit": row.get("period_unit") if limited else None,
        "included_in_mrr": bool(row.get("included_in_mrr")),
        "apply_on": apply_on,
        "item_price_id": row.get("item_price_id"),
        "created_at": at,
        "apply_till": till,
        "applied_count": 0,
        "coupon_id": id,
        "index": first + index,
        "object": "discount",
    }
    return without_nulls(value)
