"""Creating subscriptions in both Product Catalogs: https://apidocs.chargebee.com/docs/api/subscriptions."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._calls.customers import add_customer
from aiochargebee_gw.sandbox._calls.reads import beside_subscription
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import unbilled
from aiochargebee_gw.sandbox._life import coupons, rows, sales, schedule, selling, transitions
from aiochargebee_gw.sandbox._life.billing import bill_lines
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import (
    SUBSCRIPTION_CREATE,
    SUBSCRIPTION_CREATE_FOR_CUSTOMER,
    SUBSCRIPTION_CREATE_WITH_ITEMS,
    Schema,
)
from aiochargebee_gw.sandbox._problems import duplicate, not_found, wrong_state, wrong_value

KEPT = (
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
    sale = sales.plan_sale(desk, params)
    _check_id(desk, params)
    sent = without_nulls(params.get("customer") or {})
    for name in ("billing_address", "card", "entity_identifiers", "tax_providers_fields"):
        if params.get(name):
            sent[name] = params[name]
    sent.setdefault("preferred_currency_code", sale.currency)
    customer, _ = add_customer(desk, sent, "customer[id]")
    return sell(desk, customer, params, sale)


def create_for_customer(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/subscriptions`` (1.0)."""
    customer = desk.find("customer", id)
    params = _params(desk, call, SUBSCRIPTION_CREATE_FOR_CUSTOMER)
    sale = sales.plan_sale(desk, params)
    _check_id(desk, params)
    return sell(desk, customer, params, sale)


def create_with_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/subscription_for_items`` (2.0)."""
    customer = desk.find("customer", id)
    params = _params(desk, call, SUBSCRIPTION_CREATE_WITH_ITEMS)
    sale = sales.item_sale(desk, params)
    _check_id(desk, params)
    return sell(desk, customer, params, sale)


def _params(desk: Desk, call: Call, schema: Schema) -> JsonObject:
    return desk.params(call, schema, custom="subscription")


def _check_id(desk: Desk, params: JsonObject) -> None:
    id = params.get("id")
    if id is not None and desk.store.text("subscription", id) is not None:
        raise duplicate("id", id)


def sell(desk: Desk, customer: JsonObject, params: JsonObject, sale: sales.Sale) -> JsonObject:
    """Store the subscription, and bill its first term unless that lies ahead. A declined card refuses the whole."""
    _check_source(desk, customer, params)
    at = desk.at()
    custom = {name: value for name, value in params.items() if name.startswith("cf_")}
    value: JsonObject = {
        "id": params.get("id") or desk.new_id(),
        "currency_code": sale.currency,
        "billing_period": sale.period,
        "billing_period_unit": sale.unit,
        "customer_id": customer["id"],
        "status": "active",
        "remaining_billing_cycles": sale.cycles,
        **{name: params.get(name) for name in KEPT},
        **sale.attributes,
        "coupons": coupons.redeem_all(desk, params) or None,
        "discounts": coupons.discount_rows(desk, sale.currency, params.get("discounts") or []) or None,
        "shipping_address": _address(params.get("shipping_address")),
        "due_invoices_count": 0,
        **custom,
    }
    value, note = without_nulls(value), dict[str, object]()
    _begin(value, note, at, params.get("start_date"), sale)
    value["mrr"] = selling.worth(value)
    made = desk.create("subscription", without_nulls(value))
    rows.plan(desk, made, note)
    desk.emit("subscription_created", {"subscription": made, "customer": desk.store.get("customer", customer["id"])})
    bill = _first_bill(desk, made, params) if made["status"] in ("active", "non_renewing") else None
    return outcome(desk, made["id"], None if bill is None else bill["id"])


def _check_source(desk: Desk, customer: JsonObject, params: JsonObject) -> None:
    id = params.get("payment_source_id")
    if id is None:
        return
    row = desk.store.get("payment_source", id) or desk.store.get("card", id)
    if row is None or row.get("deleted"):
        raise not_found("payment_source", id, "payment_source_id")
    if row["customer_id"] != customer["id"]:
        raise wrong_value("payment_source_id", "belongs to another customer")


def _begin(value: JsonObject, note: JsonObject, at: int, start: int | None, sale: sales.Sale) -> None:
    if start is not None and start > at:
        value |= {"status": "future", "start_date": start, "trial_end": sale.trial_end, "next_billing_at": start}
    elif sale.trial_end is not None:
        value |= {"status": "in_trial", "trial_start": at, "trial_end": sale.trial_end, "started_at": at}
        schedule.set_next_billing(value, sale.trial_end)
    else:
        begin = start or at
        transitions.begin_term(value, note, begin)
        value |= {"started_at": begin, "activated_at": begin}


def _first_bill(desk: Desk, made: JsonObject, params: JsonObject) -> JsonObject | None:
    id = made["id"]
    if params.get("invoice_immediately") is not False:
        if params.get("first_invoice_pending"):
            value = desk.find("subscription", id)
            lines = _first_lines(desk, value)
            transitions.drop_charges(desk, value)
            return bill_lines(desk, id, lines, first=True, pending=True)
        return transitions.bill_term(desk, id, first=True, strict=True)
    lines = _first_lines(desk, made)
    transitions.drop_charges(desk, desk.find("subscription", id))
    unbilled.add(desk, desk.find("subscription", id), [line for line in lines if line.amount])
    return None


def _first_lines(desk: Desk, value: JsonObject) -> list[Line]:
    begin, end = value["current_term_start"], value["current_term_end"]
    return selling.recurring_lines(desk, value, begin, end) + selling.charge_lines(desk, value, begin)


def _address(sent: JsonObject | None) -> JsonObject | None:
    if not sent:
        return None
    return {"validation_status": "not_validated", **without_nulls(sent), "object": "shipping_address"}


def check_term(value: JsonObject) -> None:
    """Raise ``Problem`` (409) for a subscription without a term, which only a test can have inserted."""
    if "current_term_start" not in value or "current_term_end" not in value:
        raise wrong_state(f"The subscription {value['id']} has no current term.")


def outcome(
    desk: Desk, id: str, invoice_id: str | None = None, notes: Sequence[str] = (), charges: Sequence[str] = ()
) -> JsonObject:
    """What a subscription call answers, read anew: the sums have moved while it was at work."""
    bill = desk.store.get("invoice", invoice_id) if invoice_id else None
    answer = beside_subscription(desk, desk.find("subscription", id), bill)
    left = unbilled.open_charges(desk, id) if charges or bill is None else []
    if left:
        answer["unbilled_charges"] = left
    if notes:
        answer["credit_notes"] = [desk.find("credit_note", note) for note in notes]
    return answer


OPERATIONS = (
    ("POST", "customers/*/subscription_for_items", create_with_items, "pc2"),
    ("POST", "customers/*/subscriptions", create_for_customer, "pc1"),
    ("POST", "subscriptions", create, "pc1"),
)
