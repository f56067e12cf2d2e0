"""Dunning: a renewal whose payment failed is tried again, and in the end given up."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import invoices, payments
from aiochargebee_gw.sandbox._ledger.sources import source_of

RETRY_DAYS = (1, 3, 5, 7)
"""Days from one attempt to the next. The live site lets its owner choose; the sandbox has this one plan."""


def start(desk: Desk, bill: JsonObject, attempt: JsonObject) -> JsonObject:
    """The first payment failed: note it and set the next attempt. Only invoices of subscriptions are dunned."""
    if "subscription_id" not in bill:
        return bill
    return _note(desk, bill, attempt)


def retry(desk: Desk, bill: JsonObject) -> JsonObject:
    """An attempt is due: charge the source that the customer has by now; gives the invoice as stored."""
    value = desk.store.get("subscription", bill["subscription_id"]) or {}
    customer = desk.find("customer", bill["customer_id"])
    source = source_of(desk, customer, value.get("payment_source_id"))
    if source is None:
        return _note(desk, bill, None)
    bill, made = payments.collect(desk, bill, source)
    return bill if made["status"] == "success" else _note(desk, bill, made)


def _note(desk: Desk, bill: JsonObject, attempt: JsonObject | None) -> JsonObject:
    attempts = bill.get("dunning_attempts", [])
    row: JsonObject = {
        "attempt": len(attempts) + 1,
        "dunning_type": "auto_collect",
        "created_at": desk.at(),
        "object": "dunning_attempt",
    }
    if attempt is not None:
        row |= {"transaction_id": attempt["id"], "txn_status": attempt["status"], "txn_amount": attempt["amount"]}
    bill["dunning_attempts"] = [*attempts, row]
    if len(attempts) < len(RETRY_DAYS):
        bill |= {"dunning_status": "in_progress", "next_retry_at": desk.at() + RETRY_DAYS[len(attempts)] * 86_400}
    else:
        bill |= {"dunning_status": "exhausted", "status": "not_paid"}
        bill.pop("next_retry_at", None)
    return invoices.keep(desk, bill, "dunning_updated" if attempts else "invoice_updated")
