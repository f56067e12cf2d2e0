"""The sums of a document, computed anew from what is linked to it, and the status that follows from them.

An invoice: ``amount_due = total - amount_paid - credits_applied - amount_adjusted - write_off_amount``
(https://apidocs.chargebee.com/docs/api/invoices). A credit note: ``total = amount_allocated + amount_refunded +
amount_available``. A payment: ``amount`` is what is applied to invoices, plus ``amount_unused``, plus what went back.
"""

from __future__ import annotations

from aiochargebee_gw.sandbox._json import JsonObject

CLOSED = ("voided", "pending")


def settle_invoice(bill: JsonObject, at: int) -> JsonObject:
    """Sums and status of an invoice whose payments, credits or adjustments have changed; Unix seconds."""
    applied = bill.get("applied_credits", [])
    adjusted = bill.get("adjustment_credit_notes", [])
    bill["amount_paid"] = sum(row["applied_amount"] for row in bill.get("linked_payments", []) if _counts(row))
    bill["credits_applied"] = sum(row["applied_amount"] for row in applied)
    bill["write_off_amount"] = sum(row["cn_total"] for row in adjusted if row.get("cn_reason_code") == "write_off")
    bill["amount_adjusted"] = sum(row["cn_total"] for row in adjusted) - bill["write_off_amount"]
    covered = ("amount_paid", "credits_applied", "amount_adjusted", "write_off_amount")
    bill["amount_due"] = bill["total"] - sum(bill[name] for name in covered)
    if bill["status"] == "voided":
        bill["amount_due"] = 0
    bill["amount_to_collect"] = bill["amount_due"]
    if bill["status"] not in CLOSED:
        _status(bill, at)
    return bill


def _counts(row: JsonObject) -> bool:
    return row.get("txn_status") == "success"


def _status(bill: JsonObject, at: int) -> None:
    if bill["amount_due"] == 0:
        if bill["status"] != "paid" or "paid_at" not in bill:
            bill |= {"status": "paid", "paid_at": at}
        bill.pop("next_retry_at", None)
        if bill.get("dunning_status") in ("in_progress", "stopped"):
            bill["dunning_status"] = "success"
        return
    bill.pop("paid_at", None)
    if bill["status"] in ("paid", "posted", "payment_due"):
        bill["status"] = "posted" if bill.get("due_date", at) > at else "payment_due"


def settle_credit_note(note: JsonObject, at: int) -> JsonObject:
    """Sums and status of a credit note whose allocations or refunds have changed."""
    note["amount_allocated"] = sum(row["allocated_amount"] for row in note.get("allocations", []))
    note["amount_refunded"] = sum(row["applied_amount"] for row in note.get("linked_refunds", []))
    note["amount_available"] = note["total"] - note["amount_allocated"] - note["amount_refunded"]
    if note["status"] == "voided":
        note["amount_available"] = 0
    elif note["type"] == "adjustment":
        note["status"] = "adjusted"
    else:
        done = note["amount_available"] == 0
        note["status"] = "refunded" if done else "refund_due"
        if done and note["amount_refunded"]:
            note.setdefault("refunded_at", at)
    return note


def issued(bill: JsonObject) -> int:
    """What was credited of the paid part of an invoice by refundable credit notes."""
    return sum(row["cn_total"] for row in bill.get("issued_credit_notes", []) if row["cn_status"] != "voided")


def creditable(bill: JsonObject) -> int:
    """How much of an invoice may still be credited back: what was paid, in money or credits, less what went back."""
    if bill["status"] == "voided":
        return 0
    return max(0, int(bill["amount_paid"] + bill["credits_applied"] - issued(bill)))
