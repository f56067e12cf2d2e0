"""Billing a subscription: an invoice for its lines, what the customer has in credit, then the payment source."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import credits, invoices, payments, unbilled
from aiochargebee_gw.sandbox._ledger.balances import balance
from aiochargebee_gw.sandbox._ledger.sources import source_of
from aiochargebee_gw.sandbox._life import dunning, selling
from aiochargebee_gw.sandbox._problems import declined


def bill_lines(
    desk: Desk,
    subscription_id: str,
    lines: Sequence[Line],
    *,
    first: bool = False,
    discounted: bool = True,
    strict: bool = False,
    sweep: bool = True,
    pending: bool | None = None,
) -> JsonObject | None:
    """Invoice lines of a subscription and collect; None where there is nothing to invoice.

    ``strict`` refuses the whole call when the card is declined (``Problem``, 402); otherwise the invoice stays due and
    is dunned. ``sweep`` takes the subscription's unbilled charges along.
    """
    value = desk.find("subscription", subscription_id)
    customer = desk.find("customer", value["customer_id"])
    terms = selling.discount_terms(desk, value) if discounted else []
    if terms:
        selling.count_use(value, terms)
        desk.store.put("subscription", value)
    swept = unbilled.take(desk, value) if sweep else []
    if not lines and not swept:
        return None
    bill = invoices.issue(
        desk,
        invoices.Order(
            customer=customer,
            lines=[*lines, *swept],
            currency=value["currency_code"],
            subscription_id=value["id"],
            terms=terms,
            net_term_days=value["net_term_days"] if "net_term_days" in value else customer.get("net_term_days", 0),
            first=first,
            pending=bool(value.get("create_pending_invoices")) if pending is None else pending,
            extra=_extra(value),
        ),
    )
    return settle(desk, bill, strict=strict)


def _extra(value: JsonObject) -> JsonObject:
    extra: JsonObject = {"po_number": value.get("po_number")}
    if "shipping_address" in value:
        extra["shipping_address"] = value["shipping_address"]
    if "invoice_notes" in value:
        extra["notes"] = [{"note": value["invoice_notes"], "entity_type": "subscription", "object": "note"}]
    return extra


def settle(
    desk: Desk, bill: JsonObject, *, strict: bool = False, wanted: str | None = None, collects: bool | None = None
) -> JsonObject:
    """Use the customer's credits for a new invoice, then charge the payment source where that is automatic."""
    if bill["status"] == "pending":
        return bill
    bill = use_credits(desk, bill)
    if bill["amount_due"] <= 0:
        return bill
    value = desk.store.get("subscription", bill.get("subscription_id", "")) or {}
    customer = desk.find("customer", bill["customer_id"])
    auto = value.get("auto_collection", customer["auto_collection"]) == "on" if collects is None else collects
    source = source_of(desk, customer, wanted or value.get("payment_source_id"))
    if not auto or source is None:
        return bill
    if strict:
        reason = source.decline(desk.at())
        if reason is not None:
            raise declined("payment_processing_failed", reason.text)
    bill, made = payments.collect(desk, bill, source)
    return bill if made["status"] == "success" else dunning.start(desk, bill, made)


def use_credits(desk: Desk, bill: JsonObject) -> JsonObject:
    """Refundable credits first, then excess payments, the oldest first."""
    owner, currency = bill["customer_id"], bill["currency_code"]
    if balance(desk, owner, currency, "refundable_credits") > 0:
        for note in credits.available(desk, owner, currency):
            if bill["amount_due"] > 0:
                amount = min(bill["amount_due"], note["amount_available"])
                _, bill = credits.allocate(desk, note, bill, amount)
    if balance(desk, owner, currency, "excess_payments") > 0:
        for payment in payments.unused(desk, owner, currency):
            if bill["amount_due"] > 0:
                amount = min(bill["amount_due"], payment["amount_unused"])
                bill, _ = payments.apply(desk, bill, payment, amount)
    return bill
