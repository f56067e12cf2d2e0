"""Refunds: of a credit note, by the gateway that was paid or outside of it, and of an excess payment."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import credits, invoices
from aiochargebee_gw.sandbox._ledger.balances import shift


def online(desk: Desk, note: JsonObject, amount: int) -> tuple[JsonObject, JsonObject]:
    """Give the money of a credit note back the way it came; gives the note and the refund as stored."""
    payment = payment_of(desk, note)
    source = payment or {"payment_method": "other", "gateway": "not_applicable"}
    names = ("gateway_account_id", "payment_source_id", "payment_method", "gateway", "masked_card_number")
    values = {name: source[name] for name in names if name in source}
    made = _refund(desk, note["customer_id"], note["currency_code"], amount, payment, values)
    return _linked(desk, note, made)


def outside(desk: Desk, note: JsonObject, amount: int, sent: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Note a refund that was made outside, in cash or by bank transfer."""
    values: JsonObject = {
        "payment_method": sent["payment_method"],
        "gateway": "not_applicable",
        "reference_number": sent.get("reference_number"),
        "custom_payment_method_id": sent.get("custom_payment_method_id"),
        "date": sent.get("date"),
    }
    made = _refund(desk, note["customer_id"], note["currency_code"], amount, payment_of(desk, note), values)
    return _linked(desk, note, made)


def of_excess(desk: Desk, payment: JsonObject, amount: int, sent: JsonObject | None = None) -> JsonObject:
    """Give back what a payment has left over; gives the refund as stored."""
    values: JsonObject = {"payment_method": payment["payment_method"], "gateway": payment["gateway"]}
    if sent is not None:
        values = {
            "payment_method": sent["payment_method"],
            "gateway": "not_applicable",
            "reference_number": sent.get("reference_number"),
            "date": sent.get("date"),
        }
    payment["amount_unused"] -= amount
    desk.save("transaction", payment)
    shift(desk, payment["customer_id"], payment["currency_code"], "excess_payments", -amount)
    made = _refund(desk, payment["customer_id"], payment["currency_code"], amount, payment, values)
    customer = desk.store.get("customer", payment["customer_id"])
    desk.emit("payment_refunded", {"transaction": made, "customer": customer})
    return made


def payment_of(desk: Desk, note: JsonObject) -> JsonObject | None:
    """The payment behind a credit note: the last successful one of its invoice."""
    bill = desk.store.get("invoice", note.get("reference_invoice_id", "")) or {}
    paid = [row["txn_id"] for row in bill.get("linked_payments", []) if row.get("txn_status") == "success"]
    return desk.store.get("transaction", paid[-1]) if paid else None


def _refund(
    desk: Desk, customer_id: str, currency: str, amount: int, payment: JsonObject | None, values: JsonObject
) -> JsonObject:
    at, id = desk.at(), f"txn_{desk.new_id()}"
    value: JsonObject = {
        "id": id,
        "customer_id": customer_id,
        "subscription_id": payment.get("subscription_id") if payment else None,
        "type": "refund",
        "status": "success",
        "date": at,
        "exchange_rate": 1.0,
        "currency_code": currency,
        "amount": amount,
        "refunded_txn_id": payment["id"] if payment else None,
        "linked_credit_notes": [],
        "linked_payments": [_payment_row(payment)] if payment else [],
        **without_nulls(values),
    }
    made = desk.create("transaction", without_nulls(value))
    if payment is not None:
        _note_on(desk, payment["id"], made)
    return made


def _payment_row(payment: JsonObject) -> JsonObject:
    names = ("id", "status", "amount", "date")
    return {**{name: payment[name] for name in names}, "object": "linked_payment"}


def _note_on(desk: Desk, payment_id: str, refund: JsonObject) -> None:
    payment = desk.find("transaction", payment_id)
    row = {
        "txn_id": refund["id"],
        "txn_status": refund["status"],
        "txn_date": refund["date"],
        "txn_amount": refund["amount"],
        "object": "linked_refund",
    }
    payment["linked_refunds"] = [*payment.get("linked_refunds", []), row]
    desk.save("transaction", payment)


def _linked(desk: Desk, note: JsonObject, refund: JsonObject) -> tuple[JsonObject, JsonObject]:
    note = credits.refunded(desk, note, refund)
    row = {
        "cn_id": note["id"],
        "applied_amount": refund["amount"],
        "applied_at": desk.at(),
        "cn_reason_code": note.get("reason_code"),
        "cn_create_reason_code": note.get("create_reason_code"),
        "cn_date": note["date"],
        "cn_total": note["total"],
        "cn_status": note["status"],
        "cn_reference_invoice_id": note.get("reference_invoice_id"),
        "object": "linked_credit_note",
    }
    refund["linked_credit_notes"] = [without_nulls(row)]
    refund = desk.save("transaction", refund)
    bill = desk.store.get("invoice", note.get("reference_invoice_id", ""))
    if bill is not None:
        _restated(desk, bill, note)
    customer = desk.store.get("customer", note["customer_id"])
    desk.emit("payment_refunded", {"transaction": refund, "credit_note": note, "customer": customer, "invoice": bill})
    return note, refund


def _restated(desk: Desk, bill: JsonObject, note: JsonObject) -> None:
    for row in bill.get("issued_credit_notes", []):
        if row["cn_id"] == note["id"]:
            row["cn_status"] = note["status"]
    invoices.keep(desk, bill)
