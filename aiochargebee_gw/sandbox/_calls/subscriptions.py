"""Writing subscriptions in both Product Catalogs: https://apidocs.chargebee.com/docs/api/subscriptions."""

from __future__ import annotations

from attrs import evolve

from aiochargebee_gw.sandbox._calls.customers import add_customer
from aiochargebee_gw.sandbox._calls.reads import beside_subscription
from aiochargebee_gw.sandbox._calls.sales import Sale, item_sale, plan_sale
from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._money import Bill, invoice, pay, payment
from aiochargebee_gw.sandbox._params import (
    SUBSCRIPTION_CREATE,
    SUBSCRIPTION_CREATE_FOR_CUSTOMER,
    SUBSCRIPTION_CREATE_WITH_ITEMS,
    Schema,
)
from aiochargebee_gw.sandbox._problems import duplicate

_KEPT = (
    "po_number",
    "auto_collection",
    "offline_payment_method",
    "invoice_notes",
    "meta_data",
    "affiliate_token",
    "created_from_ip",
    "payment_source_id",
    "override_relationship",
    "net_term_days",
    "create_pending_invoices",
    "auto_close_invoices",
    "business_entity_id",
    "brand_id",
    "free_period",
    "free_period_unit",
    "contract_term_billing_cycle_on_renewal",
    "setup_fee",
    "coupon",
    "trial_end_action",
)


def create(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /subscriptions`` (1.0): a customer is created along with it, or named by ``customer[id]``."""
    params = _params(desk, call, SUBSCRIPTION_CREATE)
    sale = plan_sale(desk, params)
    _check_id(desk, params)
    sent = without_nulls(params.get("customer") or {})
    for name in ("billing_address", "card", "entity_identifiers", "tax_providers_fields"):
        if params.get(name):
            sent[name] = params[name]
    sent.setdefault("preferred_currency_code", sale.currency)
    customer, _ = add_customer(desk, sent, "customer[id]")
    return _sell(desk, customer, params, sale)


def create_for_customer(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/subscriptions`` (1.0)."""
    customer = desk.find("customer", id)
    params = _params(desk, call, SUBSCRIPTION_CREATE_FOR_CUSTOMER)
    sale = plan_sale(desk, params)
    _check_id(desk, params)
    return _sell(desk, customer, params, sale)


def create_with_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/subscription_for_items`` (2.0)."""
    customer = desk.find("customer", id)
    params = _params(desk, call, SUBSCRIPTION_CREATE_WITH_ITEMS)
    sale = item_sale(desk, params)
    _check_id(desk, params)
    return _sell(desk, customer, params, sale)


def _params(desk: Desk, call: Call, schema: Schema) -> JsonObject:
    return desk.params(call, schema, custom="subscription")


def _check_id(desk: Desk, params: JsonObject) -> None:
    id = params.get("id")
    if id is not None and desk.store.text("subscription", id) is not None:
        raise duplicate("id", id)


def _sell(desk: Desk, customer: JsonObject, params: JsonObject, sale: Sale) -> JsonObject:
    at = desk.at()
    schedule = _schedule(at, params.get("start_date"), sale)
    custom = {name: value for name, value in params.items() if name.startswith("cf_")}
    value: JsonObject = {
        "id": params.get("id") or desk.new_id(),
        "currency_code": sale.currency,
        "billing_period": sale.period,
        "billing_period_unit": sale.unit,
        "customer_id": customer["id"],
        **schedule,
        "remaining_billing_cycles": params.get("billing_cycles"),
        **{name: params.get(name) for name in _KEPT},
        **sale.attributes,
        "coupons": _coupons(params),
        "shipping_address": _address(params.get("shipping_address")),
        "due_invoices_count": 0,
        "mrr": sale.amount // (12 if sale.unit == "year" else 1) if schedule["status"] == "active" else 0,
        **custom,
    }
    made = desk.create("subscription", without_nulls(value))
    desk.emit("subscription_created", {"subscription": made, "customer": customer})
    bill = _bill(desk, customer, made, sale) if made["status"] == "active" else None
    if bill is not None and bill["amount_due"] > 0:
        made |= {"due_invoices_count": 1, "due_since": bill["date"], "total_dues": bill["amount_due"]}
        desk.store.put("subscription", made)
    return beside_subscription(desk, made, bill)


def _schedule(at: int, start: int | None, sale: Sale) -> JsonObject:
    if start is not None and start > at:
        return {"status": "future", "start_date": start}
    if sale.trial_end is not None:
        return {
            "status": "in_trial",
            "trial_start": at,
            "trial_end": sale.trial_end,
            "next_billing_at": sale.trial_end,
            "started_at": at,
        }
    end = add_period(start or at, sale.period, sale.unit)
    return {
        "status": "active",
        "started_at": start or at,
        "activated_at": start or at,
        "current_term_start": start or at,
        "current_term_end": end,
        "next_billing_at": end,
    }


def _coupons(params: JsonObject) -> list[JsonObject] | None:
    ids = [id for id in params.get("coupon_ids") or () if id] + [
        row["coupon_id"] for row in params.get("coupons") or () if row.get("coupon_id")
    ]
    return [{"coupon_id": id, "applied_count": 0, "object": "coupon"} for id in ids] or None


def _address(sent: JsonObject | None) -> JsonObject | None:
    if not sent:
        return None
    return {"validation_status": "not_validated", **without_nulls(sent), "object": "shipping_address"}


def _bill(desk: Desk, customer: JsonObject, value: JsonObject, sale: Sale) -> JsonObject:
    start, end = value["current_term_start"], value["current_term_end"]
    lines = [evolve(line, date_from=start, date_to=end) for line in sale.lines]
    term: int = value["net_term_days"] if "net_term_days" in value else customer["net_term_days"]
    bill = invoice(
        Bill(
            f"inv_{desk.new_id()}",
            customer,
            value["id"],
            lines,
            desk.at(),
            "posted" if term else "payment_due",
            sale.currency,
            net_term_days=term,
            first=True,
        )
    )
    card = desk.card_of(customer["id"])
    collects = value.get("auto_collection", customer["auto_collection"]) == "on"
    made = None
    if bill["total"] == 0:
        bill |= {"status": "paid", "paid_at": bill["date"]}
    elif card is not None and collects:
        made = payment(f"txn_{desk.new_id()}", bill, card)
        # The money moves at once: nothing that the API answers lies in the future.
        made |= {"date": bill["date"], "settled_at": bill["date"], "updated_at": bill["date"]}
        made["linked_invoices"][0]["applied_at"] = bill["date"]
        pay(bill, made)
    kept = desk.create("invoice", bill)
    desk.emit("invoice_generated", {"subscription": value, "customer": customer, "invoice": kept})
    if made is not None:
        paid = desk.create("transaction", made)
        desk.emit("payment_succeeded", {"transaction": paid, "invoice": kept, "customer": customer})
    return kept
