"""Quotes: made for a new subscription, a change or one-off charges; accepted, declined, converted.

https://apidocs.chargebee.com/docs/api/quotes
"""

from __future__ import annotations

from typing import Any

from aiochargebee_gw.sandbox._billing.lines import Line, discounts, document
from aiochargebee_gw.sandbox._calls.invoicing import charge_lines, item_lines
from aiochargebee_gw.sandbox._calls.subscriptions import outcome, sell
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import invoices
from aiochargebee_gw.sandbox._life import agenda, billing, changes, rows, sales, selling
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value

VALID_DAYS = 30
_LEGAL = {
    "open": ("accepted", "declined", "voided", "pending_approval", "proposed"),
    "pending_approval": ("proposed", "approval_rejected", "voided"),
    "approval_rejected": ("pending_approval", "voided"),
    "proposed": ("accepted", "declined", "voided"),
    "accepted": ("voided",),
}
"""From which status a quote may go where; ``invoiced``, ``declined``, ``voided`` and ``expired`` are the end."""


def for_new_subscription(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/create_subscription_quote_for_items`` (2.0)."""
    customer = desk.find("customer", id)
    params = desk.form(call, "quote.create_sub_items_for_customer_quote")
    sent = {**(params.get("subscription") or {}), **{k: v for k, v in params.items() if k != "subscription"}}
    sale = sales.item_sale(desk, sent)
    return _new_subscription(desk, customer, params, sent, sale)


def for_new_plan_subscription(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/create_subscription_quote`` (1.0)."""
    customer = desk.find("customer", id)
    params = desk.form(call, "quote.create_sub_for_customer_quote")
    sent = {**(params.get("subscription") or {}), **{k: v for k, v in params.items() if k != "subscription"}}
    if not sent.get("plan_id"):
        raise missing("subscription[plan_id]")
    return _new_subscription(desk, customer, params, sent, sales.plan_sale(desk, sent))


def _new_subscription(
    desk: Desk, customer: JsonObject, params: JsonObject, sent: JsonObject, sale: sales.Sale
) -> JsonObject:
    value = {"id": sent.get("id") or desk.new_id(), "currency_code": sale.currency, **sale.attributes}
    begin = max(sale.trial_end or 0, sent.get("start_date") or 0, desk.at())
    lines = selling.recurring_lines(desk, value, begin, begin) + selling.charge_lines(desk, value, begin)
    quoted: JsonObject = {
        "id": value["id"],
        "billing_period": sale.period,
        "billing_period_unit": sale.unit,
        "start_date": sent.get("start_date"),
        "trial_end": sale.trial_end,
        "remaining_billing_cycles": sale.cycles,
        "po_number": sent.get("po_number"),
        **{name: item for name, item in sale.attributes.items() if name not in ("plan_free_quantity", "plan_amount")},
    }
    kind = "create_subscription_for_customer"
    return _quote(
        desk, customer, params, kind, sale.currency, lines, without_nulls(quoted), {"sent": without_nulls(sent)}
    )


def for_change(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /quotes/update_subscription_quote_for_items`` (2.0): needs ``subscription[id]``."""
    params = desk.form(call, "quote.update_subscription_quote_for_items")
    return _change(desk, params, params)


def for_plan_change(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /quotes/update_subscription_quote`` (1.0): needs ``subscription[id]``."""
    params = desk.form(call, "quote.update_subscription_quote")
    return _change(desk, params, {**params, **without_nulls(params.get("subscription") or {})})


def _change(desk: Desk, params: JsonObject, sent: JsonObject) -> JsonObject:
    value = desk.find("subscription", params["subscription"]["id"], param="subscription[id]")
    if value["status"] not in ("active", "non_renewing"):
        raise wrong_state(f"The subscription {value['id']} is {value['status']} and cannot be changed.")
    changed = changes.recast(desk, value, sent)
    lines = selling.recurring_lines(desk, changed, desk.at(), desk.at())
    names = ("id", "billing_period", "billing_period_unit", "subscription_items", "plan_id", "plan_quantity", "addons")
    quoted = {name: changed[name] for name in names if name in changed}
    customer = desk.find("customer", value["customer_id"])
    kept = {name: sent[name] for name in changes.SUBJECT if sent.get(name) is not None}
    extra = {"sent": kept, "subscription_id": value["id"]}
    return _quote(desk, customer, params, "change_subscription", value["currency_code"], lines, quoted, extra)


def for_charges(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /quotes/create_for_charge_items_and_charges`` (2.0)."""
    params = desk.form(call, "quote.create_for_charge_items_and_charges")
    customer = desk.find("customer", params["customer_id"], param="customer_id")
    currency = params.get("currency_code") or customer.get("preferred_currency_code", "USD")
    lines = item_lines(desk, params, currency) + charge_lines(desk, params)
    if not lines:
        raise missing("charges[amount][0]")
    sent = {name: params[name] for name in ("item_prices", "charges", "currency_code") if params.get(name)}
    return _quote(desk, customer, params, "onetime_invoice", currency, lines, None, {"sent": sent})


def _quote(
    desk: Desk,
    customer: JsonObject,
    params: JsonObject,
    kind: str,
    currency: str,
    lines: list[Line],
    quoted: JsonObject | None,
    note: JsonObject,
) -> JsonObject:
    at, id = desk.at(), f"qt_{desk.new_id()}"
    till = params.get("expires_at") or at + VALID_DAYS * 86_400
    if till <= at:
        raise wrong_value("expires_at", "must be in the future")
    body = document(id, customer, lines, discounts(lines, _terms(desk, params, currency)))
    body.pop("tax")
    value: JsonObject = {
        "id": id,
        "name": params.get("name"),
        "po_number": params.get("po_number"),
        "customer_id": customer["id"],
        "subscription_id": note.get("subscription_id"),
        "operation_type": kind,
        "valid_till": till,
        "currency_code": currency,
        **body,
        "total_payable": body["total"],
        "charge_on_acceptance": body["total"],
        "amount_due": body["total"],
        "notes": [{"note": params["notes"]}] if params.get("notes") else None,
    }
    made = desk.create("quote", without_nulls(value))
    if quoted is not None:
        quoted = {**quoted, "object": "quoted_subscription"}
    desk.store.set_note("quote", id, till, {**note, "quoted": quoted})
    desk.emit("quote_created", {"quote": made, "customer": customer, "quoted_subscription": quoted})
    return _shown(desk, made)


def _terms(desk: Desk, params: JsonObject, currency: str) -> list[JsonObject]:
    found = [
        selling.coupon_term(desk.find("coupon", id, param=f"coupon_ids[{index}]"), currency)
        for index, id in enumerate(params.get("coupon_ids") or ())
        if id
    ]
    for index, row in enumerate(params.get("discounts") or ()):
        found.append(
            {
                "entity_type": selling.MANUAL[row.get("apply_on") or "invoice_amount"],
                "entity_id": f"discount_{index}",
                "description": "Discount",
                "percentage": row.get("percentage"),
                "amount": row.get("amount"),
                "only": [row["item_price_id"]] if row.get("item_price_id") else None,
            }
        )
    return found


def _shown(desk: Desk, quote: JsonObject) -> JsonObject:
    note = desk.store.note("quote", quote["id"]) or {}
    answer: JsonObject = {"quote": quote}
    if note.get("quoted"):
        answer["quoted_subscription"] = note["quoted"]
    elif quote["operation_type"] == "onetime_invoice":
        answer["quoted_charge"] = _charge_of(note.get("sent", {}))
    return answer


def _charge_of(sent: JsonObject) -> JsonObject:
    charges = [
        {**{k: row[k] for k in ("amount", "description") if row.get(k) is not None}, "object": "charge"}
        for row in sent.get("charges", ())
    ]
    names = ("item_price_id", "quantity", "unit_price")
    items = [
        {**{k: row[k] for k in names if row.get(k) is not None}, "object": "invoice_item"}
        for row in sent.get("item_prices", ())
    ]
    return without_nulls({"charges": charges or None, "invoice_items": items or None, "object": "quoted_charge"})


def retrieve(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /quotes/{id}``."""
    return _shown(desk, desk.find("quote", id))


def update_status(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /quotes/{id}/update_status``: legal steps only, else 409."""
    quote = desk.find("quote", id)
    params = desk.form(call, "quote.update_status")
    if params["status"] not in _LEGAL.get(quote["status"], ()):
        raise wrong_state(f"The quote {id} is {quote['status']} and cannot become {params['status']}.")
    return _changed(desk, {**quote, "status": params["status"]})


def extend_expiry_date(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /quotes/{id}/extend_expiry_date``: of an open or expired quote, which is open then."""
    quote = desk.find("quote", id)
    params = desk.form(call, "quote.extend_expiry_date")
    if quote["status"] not in ("open", "expired", "proposed"):
        raise wrong_state(f"The quote {id} is {quote['status']}.")
    till: int = params["valid_till"]
    if till <= desk.at():
        raise wrong_value("valid_till", "must be in the future")
    desk.store.set_note("quote", id, till, desk.store.note("quote", id) or {})
    status = "open" if quote["status"] == "expired" else quote["status"]
    return _changed(desk, {**quote, "valid_till": till, "status": status})


def _changed(desk: Desk, quote: JsonObject) -> JsonObject:
    saved = desk.save("quote", quote)
    desk.emit("quote_updated", {"quote": saved, "customer": desk.store.get("customer", saved["customer_id"])})
    return _shown(desk, saved)


def convert(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /quotes/{id}/convert``: an open or accepted quote becomes what it offers, at the quoted terms."""
    quote = desk.find("quote", id)
    params = desk.form(call, "quote.convert")
    if quote["status"] not in ("open", "accepted"):
        raise wrong_state(f"The quote {id} is {quote['status']}.")
    note = desk.store.note("quote", id) or {}
    work = {
        "create_subscription_for_customer": _convert_new,
        "change_subscription": _convert_change,
        "onetime_invoice": _convert_charges,
    }[quote["operation_type"]]
    made = work(desk, quote, note, params)
    done: JsonObject = {**quote, "status": "invoiced", "amount_due": 0}
    done["subscription_id"] = made.get("subscription", {}).get("id", quote.get("subscription_id"))
    done["invoice_id"] = made.get("invoice", {}).get("id")
    answer = _changed(desk, without_nulls(done))
    names = ("subscription", "invoice", "unbilled_charges")
    answer["customer"] = desk.find("customer", quote["customer_id"])
    answer |= {name: made[name] for name in names if name in made}
    if made.get("credit_notes"):
        answer["credit_note"] = made["credit_notes"][0]
    return answer


def _convert_new(desk: Desk, quote: JsonObject, note: JsonObject, params: JsonObject) -> JsonObject:
    sent = {**note["sent"], **without_nulls(params.get("subscription") or {})}
    sent.setdefault("id", note["quoted"]["id"])
    sale = sales.plan_sale(desk, sent) if sent.get("plan_id") else sales.item_sale(desk, sent)
    return sell(desk, desk.find("customer", quote["customer_id"]), {**sent, **_billing(params)}, sale)


def _billing(params: JsonObject) -> JsonObject:
    names = ("invoice_immediately", "create_pending_invoices", "first_invoice_pending")
    return {name: params[name] for name in names if params.get(name) is not None}


def _convert_change(desk: Desk, quote: JsonObject, note: JsonObject, params: JsonObject) -> JsonObject:
    value = agenda.touch(desk, quote["subscription_id"])
    if value["status"] not in ("active", "non_renewing"):
        raise wrong_state(f"The subscription {value['id']} is {value['status']} and cannot be changed.")
    done = changes.apply(desk, value, rows.note_of(desk, value["id"]), {**note["sent"], **_billing(params)})
    return outcome(desk, value["id"], done.invoice_id, done.credit_notes, done.unbilled)


def _convert_charges(desk: Desk, quote: JsonObject, note: JsonObject, _params: JsonObject) -> JsonObject:
    customer = desk.find("customer", quote["customer_id"])
    sent: dict[str, Any] | None = note.get("sent")
    # A quote that a test has inserted has nothing but its lines.
    lines = invoices.lines_of(quote)
    if sent is not None:
        lines = item_lines(desk, sent, quote["currency_code"]) + charge_lines(desk, sent)
    order = invoices.Order(
        customer=customer,
        lines=lines,
        currency=quote["currency_code"],
        net_term_days=customer.get("net_term_days", 0),
        recurring=False,
    )
    return {"invoice": billing.settle(desk, invoices.issue(desk, order))}


def delete(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /quotes/{id}/delete``: one that was invoiced stays."""
    quote = desk.find("quote", id)
    desk.form(call, "quote.delete")
    if quote["status"] == "invoiced":
        raise wrong_state(f"The quote {id} is invoiced.")
    answer = _shown(desk, desk.save("quote", {**quote, "deleted": True}))
    desk.store.drop_note("quote", id)
    customer = desk.store.get("customer", quote["customer_id"])
    desk.emit("quote_deleted", {"quote": answer["quote"], "customer": customer})
    return answer


OPERATIONS = (
    ("POST", "customers/*/create_subscription_quote_for_items", for_new_subscription, "pc2"),
    ("POST", "customers/*/create_subscription_quote", for_new_plan_subscription, "pc1"),
    ("POST", "quotes/update_subscription_quote_for_items", for_change, "pc2"),
    ("POST", "quotes/update_subscription_quote", for_plan_change, "pc1"),
    ("POST", "quotes/create_for_charge_items_and_charges", for_charges, "pc2"),
    ("GET", "quotes/*", retrieve, None),
    ("POST", "quotes/*/update_status", update_status, None),
    ("POST", "quotes/*/extend_expiry_date", extend_expiry_date, None),
    ("POST", "quotes/*/convert", convert, None),
    ("POST", "quotes/*/delete", delete, None),
)
