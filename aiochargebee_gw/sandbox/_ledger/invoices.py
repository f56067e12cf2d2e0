"""Making invoices, and writing them back with the sums and reminders that hang on them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from aiochargebee_gw.sandbox._billing.lines import Line, discounts, document
from aiochargebee_gw.sandbox._billing.totals import settle_invoice
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import promotions
from aiochargebee_gw.sandbox._ledger.balances import balance

DAY = 86_400


@frozen(kw_only=True)
class Order:
    """What an invoice is made from; ``terms`` are the discounts (``_billing.lines.discounts``)."""

    customer: JsonObject
    lines: Sequence[Line]
    currency: str
    subscription_id: str | None = None
    terms: Sequence[JsonObject] = ()
    net_term_days: int = 0
    first: bool = False
    recurring: bool = True
    pending: bool = False
    extra: JsonObject | None = None
    """Attributes that a caller chose: ``po_number``, ``shipping_address``, ``notes``."""


def issue(desk: Desk, order: Order) -> JsonObject:
    """Store an invoice, with its event; promotional credits are taken off at once, nothing is collected yet."""
    at, id = desk.at(), f"inv_{desk.new_id()}"
    body = document(id, order.customer, order.lines, discounts(order.lines, order.terms))
    due_date = at + order.net_term_days * DAY
    value: JsonObject = {
        "id": id,
        "customer_id": order.customer["id"],
        "subscription_id": order.subscription_id,
        "recurring": order.recurring,
        "status": "pending" if order.pending else "posted" if due_date > at else "payment_due",
        "date": at,
        "due_date": due_date,
        "net_term_days": order.net_term_days,
        "vat_number": order.customer.get("vat_number"),
        "price_type": "tax_exclusive",
        "exchange_rate": 1.0,
        "currency_code": order.currency,
        "first_invoice": order.first,
        "new_sales_amount": body["total"] if order.first else None,
        "has_advance_charges": False,
        "term_finalized": True,
        "is_gifted": False,
        "generated_at": at,
        "round_off_amount": 0,
        **body,
        "billing_address": order.customer.get("billing_address"),
        **(order.extra or {}),
    }
    if not order.pending:
        _take_promotions(desk, value)
    made = desk.create("invoice", settle_invoice(without_nulls(value), at))
    after(desk, made, 0)
    _generated(desk, made)
    return made


def _generated(desk: Desk, bill: JsonObject) -> None:
    event = "pending_invoice_created" if bill["status"] == "pending" else "invoice_generated"
    desk.emit(event, beside(desk, bill))


def beside(desk: Desk, bill: JsonObject) -> dict[str, JsonObject | list[JsonObject] | None]:
    """An invoice with its subscription and customer, as events tell it."""
    subscription = desk.store.get("subscription", bill.get("subscription_id", ""))
    return {"subscription": subscription, "customer": desk.store.get("customer", bill["customer_id"]), "invoice": bill}


def close(desk: Desk, bill: JsonObject) -> JsonObject:
    """Make a pending invoice final."""
    at = desk.at()
    due_date = at + bill.get("net_term_days", 0) * DAY
    bill |= {"status": "posted" if due_date > at else "payment_due", "date": at, "due_date": due_date}
    _take_promotions(desk, bill)
    saved = keep(desk, settle_invoice(bill, at))
    _generated(desk, saved)
    return saved


def _take_promotions(desk: Desk, bill: JsonObject) -> None:
    have = balance(desk, bill["customer_id"], bill["currency_code"], "promotional_credits")
    used = min(have, bill["total"])
    if used <= 0:
        return
    row = {
        "amount": used,
        "description": "Promotional credits",
        "entity_type": "promotional_credits",
        "discount_type": "fixed_amount",
        "object": "discount",
    }
    bill["discounts"] = [*bill.get("discounts", []), row]
    bill["total"] -= used
    promotions.change(desk, bill["customer_id"], bill["currency_code"], -used, f"Applied to invoice {bill['id']}")


def give_back_promotions(desk: Desk, bill: JsonObject) -> None:
    """The promotional credits of an invoice that is no more go back to the customer."""
    used = sum(row["amount"] for row in bill.get("discounts", []) if row["entity_type"] == "promotional_credits")
    if used:
        reason = f"Invoice {bill['id']} was taken back"
        promotions.change(desk, bill["customer_id"], bill["currency_code"], used, reason)


def rewrite(desk: Desk, bill: JsonObject, lines: Sequence[Line], terms: Sequence[JsonObject] = ()) -> JsonObject:
    """A pending invoice with other lines."""
    customer = desk.find("customer", bill["customer_id"])
    for name in ("line_item_discounts", "line_item_taxes", "discounts", "taxes"):
        bill.pop(name, None)
    bill |= document(bill["id"], customer, lines, discounts(lines, terms))
    return keep(desk, settle_invoice(bill, desk.at()), "pending_invoice_updated")


def lines_of(bill: JsonObject) -> list[Line]:
    """The lines of an invoice as they were before discounts and taxes."""
    names = ("entity_type", "description", "amount", "unit_amount", "date_from", "date_to")
    return [
        Line(
            **{name: row[name] for name in names},
            quantity=row.get("quantity", 1),
            entity_id=row.get("entity_id"),
            pricing_model=row.get("pricing_model", "flat_fee"),
            taxable=row.get("tax_exempt_reason") != "product_exempt",
            subscription_id=row.get("subscription_id"),
        )
        for row in bill.get("line_items", [])
    ]


def keep(desk: Desk, bill: JsonObject, event: str | None = None) -> JsonObject:
    """Write an invoice back, and what its subscription owes; with an event where one is named."""
    before = desk.store.get("invoice", bill["id"]) or {}
    saved = desk.save("invoice", bill)
    after(desk, saved, before.get("amount_due", 0) if before.get("status") != "pending" else 0)
    if event is not None:
        desk.emit(event, beside(desk, saved))
    return saved


def after(desk: Desk, bill: JsonObject, due_before: int) -> None:
    """The dues of the subscription, and the day on which a posted invoice is due or a payment is tried again."""
    retry = bill.get("next_retry_at") if bill.get("dunning_status") == "in_progress" else None
    due = bill["due_date"] if bill["status"] == "posted" else retry
    if due is not None:
        desk.store.set_note("invoice", bill["id"], due, {})
    elif desk.store.note("invoice", bill["id"]) is not None:
        desk.store.drop_note("invoice", bill["id"])
    due_now = bill["amount_due"] if bill["status"] != "pending" else 0
    if due_now != due_before and "subscription_id" in bill:
        _move_dues(desk, bill, due_before, due_now)


def _move_dues(desk: Desk, bill: JsonObject, before: int, now: int) -> None:
    """``due_invoices_count``, ``due_since`` and ``total_dues`` of the subscription."""
    value = desk.store.get("subscription", bill["subscription_id"])
    if value is None:
        return
    count = value.get("due_invoices_count", 0) + (now > 0) - (before > 0)
    value["due_invoices_count"] = count
    value["total_dues"] = value.get("total_dues", 0) + now - before if count else None
    if not count:
        value["due_since"] = None
    elif now > 0:
        value["due_since"] = min(bill["date"], value.get("due_since") or bill["date"])
    elif value.get("due_since") == bill["date"]:
        value["due_since"] = _oldest_due(desk, bill)
    desk.store.put("subscription", without_nulls(value))


def _oldest_due(desk: Desk, but: JsonObject) -> int | None:
    condition = (
        "o.sub = ? AND o.id <> ? AND json_extract(o.body, '$.amount_due') > 0 "
        "AND json_extract(o.body, '$.status') <> 'pending'"
    )
    rows = desk.store.matching("invoice", condition, (but["subscription_id"], but["id"]))
    return rows[0]["date"] if rows else None
