"""Payments: charging a source, recording what came otherwise, and linking both to invoices."""

from __future__ import annotations

from aiochargebee_gw.sandbox._billing.totals import settle_invoice
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import invoices
from aiochargebee_gw.sandbox._ledger.balances import shift
from aiochargebee_gw.sandbox._ledger.sources import Source


def charge(
    desk: Desk, customer: JsonObject, source: Source, amount: int, currency: str, subscription_id: str | None = None
) -> JsonObject:
    """A transaction over ``amount``, ``success`` or ``failure``; stored, without an event, linked to nothing yet."""
    at, id = desk.at(), f"txn_{desk.new_id()}"
    decline = source.decline(at)
    values: JsonObject = {
        "id": id,
        "customer_id": customer["id"],
        "subscription_id": subscription_id,
        "gateway_account_id": source.gateway_account_id,
        "payment_source_id": source.id,
        "payment_method": source.method,
        "gateway": source.gateway,
        "type": "payment",
        "date": at,
        "settled_at": None if decline else at,
        "exchange_rate": 1.0,
        "currency_code": currency,
        "amount": amount,
        "id_at_gateway": f"ch_{id}",
        "status": "failure" if decline else "success",
        "fraud_flag": "safe",
        "initiator_type": "merchant",
        "three_d_secure": False,
        "error_code": decline.code if decline else None,
        "error_text": decline.text if decline else None,
        "amount_unused": 0 if decline else amount,
        "masked_card_number": source.card.get("masked_number"),
        "iin": source.card.get("iin"),
        "last4": source.card.get("last4"),
        "linked_invoices": [],
        "linked_refunds": [],
    }
    return _stored(desk, values)


def record(
    desk: Desk, customer_id: str, sent: JsonObject, amount: int, currency: str, subscription_id: str | None = None
) -> JsonObject:
    """A payment that was made outside: cash, a bank transfer. Stored with its whole amount unused."""
    at = sent.get("date") or desk.at()
    success = sent.get("status", "success") == "success"
    values: JsonObject = {
        "id": sent.get("id") or f"txn_{desk.new_id()}",
        "customer_id": customer_id,
        "subscription_id": subscription_id,
        "payment_method": sent["payment_method"],
        "reference_number": sent.get("reference_number"),
        "custom_payment_method_id": sent.get("custom_payment_method_id"),
        "id_at_gateway": sent.get("id_at_gateway"),
        "gateway": "not_applicable",
        "type": "payment",
        "date": at,
        "settled_at": at if success else None,
        "exchange_rate": 1.0,
        "currency_code": currency,
        "amount": amount,
        "status": "success" if success else "failure",
        "error_code": sent.get("error_code"),
        "error_text": sent.get("error_text"),
        "amount_unused": amount if success else 0,
        "linked_invoices": [],
        "linked_refunds": [],
    }
    return _stored(desk, values)


def _stored(desk: Desk, values: JsonObject) -> JsonObject:
    made = desk.create("transaction", without_nulls(values))
    shift(desk, made["customer_id"], made["currency_code"], "excess_payments", made["amount_unused"])
    return made


def apply(desk: Desk, bill: JsonObject, payment: JsonObject, amount: int) -> tuple[JsonObject, JsonObject]:
    """Use a part of a payment for an invoice; a failed payment is linked with nothing applied."""
    at = desk.at()
    row = {
        "txn_id": payment["id"],
        "applied_amount": amount,
        "applied_at": at,
        "txn_status": payment["status"],
        "txn_date": payment["date"],
        "txn_amount": payment["amount"],
        "object": "linked_payment",
    }
    bill["linked_payments"] = [*bill.get("linked_payments", []), row]
    bill = invoices.keep(desk, settle_invoice(bill, at))
    linked = {
        "invoice_id": bill["id"],
        "applied_amount": amount,
        "applied_at": at,
        "invoice_date": bill["date"],
        "invoice_total": bill["total"],
        "invoice_status": bill["status"],
        "object": "linked_invoice",
    }
    payment["linked_invoices"] = [*payment.get("linked_invoices", []), linked]
    payment["amount_unused"] = payment.get("amount_unused", 0) - amount
    payment = desk.save("transaction", payment)
    shift(desk, bill["customer_id"], payment["currency_code"], "excess_payments", -amount)
    return bill, payment


def unlink(desk: Desk, bill: JsonObject, transaction_id: str) -> tuple[JsonObject, JsonObject]:
    """Take a payment off an invoice: what was applied is unused again."""
    rows = bill.get("linked_payments", [])
    amount = sum(row["applied_amount"] for row in rows if row["txn_id"] == transaction_id)
    bill["linked_payments"] = [row for row in rows if row["txn_id"] != transaction_id]
    bill = invoices.keep(desk, settle_invoice(bill, desk.at()))
    payment = desk.find("transaction", transaction_id)
    payment["linked_invoices"] = [row for row in payment["linked_invoices"] if row["invoice_id"] != bill["id"]]
    payment["amount_unused"] = payment.get("amount_unused", 0) + amount
    payment = desk.save("transaction", payment)
    shift(desk, bill["customer_id"], payment["currency_code"], "excess_payments", amount)
    return bill, payment


def collect(desk: Desk, bill: JsonObject, source: Source, amount: int | None = None) -> tuple[JsonObject, JsonObject]:
    """Charge a source for what an invoice owes; gives both as stored, with ``payment_succeeded`` or ``_failed``."""
    customer = desk.find("customer", bill["customer_id"])
    wanted = bill["amount_due"] if amount is None else amount
    made = charge(desk, customer, source, wanted, bill["currency_code"], bill.get("subscription_id"))
    success = made["status"] == "success"
    bill, made = apply(desk, bill, made, min(wanted, bill["amount_due"]) if success else 0)
    content = {**invoices.beside(desk, bill), "transaction": made}
    desk.emit("payment_succeeded" if success else "payment_failed", content)
    return bill, made


def unused(desk: Desk, customer_id: str, currency: str) -> list[JsonObject]:
    """The payments of a customer with something left to use, oldest first."""
    condition = (
        "o.owner = ? AND json_extract(o.body, '$.amount_unused') > 0 "
        "AND json_extract(o.body, '$.currency_code') = ? AND json_extract(o.body, '$.status') = 'success'"
    )
    return desk.store.matching("transaction", condition, (customer_id, currency))
