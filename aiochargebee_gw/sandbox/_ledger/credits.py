"""Credit notes: over a part of an invoice, over prorated lines, or standing alone; allocating and refunding them."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw.sandbox._billing.credits import part_of_invoice, part_of_lines
from aiochargebee_gw.sandbox._billing.totals import creditable, settle_credit_note, settle_invoice
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import invoices
from aiochargebee_gw.sandbox._ledger.balances import shift


def adjust(desk: Desk, bill: JsonObject, amount: int, reason: str, body: JsonObject | None = None) -> JsonObject:
    """An adjustment credit note: it lessens what an invoice still owes; gives the stored note."""
    made = _new(desk, bill, "adjustment", amount, reason, body)
    row = _issued(made, "adjustment_credit_note")
    bill["adjustment_credit_notes"] = [*bill.get("adjustment_credit_notes", []), row]
    bill = invoices.keep(desk, settle_invoice(bill, desk.at()))
    allocation = _allocation(bill, amount, desk.at())
    made["allocations"] = [allocation]
    saved = desk.save("credit_note", settle_credit_note(made, desk.at()))
    _told(desk, "credit_note_created", saved, bill)
    return saved


def give_back(desk: Desk, bill: JsonObject, amount: int, reason: str, body: JsonObject | None = None) -> JsonObject:
    """A refundable credit note over what was paid of an invoice; its amount is available to the customer."""
    made = _new(desk, bill, "refundable", amount, reason, body)
    bill["issued_credit_notes"] = [*bill.get("issued_credit_notes", []), _issued(made, "issued_credit_note")]
    bill = invoices.keep(desk, bill)
    shift(desk, bill["customer_id"], bill["currency_code"], "refundable_credits", amount)
    _told(desk, "credit_note_created", made, bill)
    return made


def standing_alone(desk: Desk, customer: JsonObject, amount: int, currency: str, values: JsonObject) -> JsonObject:
    """A refundable credit note without an invoice."""
    id = f"CN-{desk.new_id()}"
    made = _stored(
        desk, id, customer["id"], currency, amount, "refundable", {**part_of_lines(id, [], [], amount), **values}
    )
    shift(desk, customer["id"], currency, "refundable_credits", amount)
    _told(desk, "credit_note_created", made, None)
    return made


def credit_lines(
    desk: Desk, bill: JsonObject, rows: Sequence[JsonObject], parts: Sequence[int], reason: str
) -> list[JsonObject]:
    """Credit parts of the lines of an invoice: first against what it owes, the rest out of what was paid."""
    found: list[JsonObject] = []
    left = list(parts)
    for limit, make in ((int(bill["amount_due"]), adjust), (creditable(bill), give_back)):
        taken = _taken(left, limit if bill["status"] != "voided" else 0)
        if sum(taken):
            fresh = desk.find("invoice", bill["id"])
            body = part_of_lines(f"CN-{bill['id']}-{len(found)}", rows, taken, sum(taken))
            found.append(make(desk, fresh, sum(taken), reason, body))
            left = [rest - one for rest, one in zip(left, taken, strict=True)]
    return found


def _taken(parts: Sequence[int], limit: int) -> list[int]:
    taken: list[int] = []
    for part in parts:
        taken.append(min(part, limit))
        limit -= taken[-1]
    return taken


def allocate(desk: Desk, note: JsonObject, bill: JsonObject, amount: int) -> tuple[JsonObject, JsonObject]:
    """Use a part of a refundable credit note for an invoice; gives both as stored."""
    at = desk.at()
    row = {
        "cn_id": note["id"],
        "applied_amount": amount,
        "applied_at": at,
        "cn_reason_code": note.get("reason_code"),
        "cn_create_reason_code": note.get("create_reason_code"),
        "cn_date": note["date"],
        "cn_status": "refunded" if note["amount_available"] == amount else "refund_due",
        "object": "applied_credit",
    }
    bill["applied_credits"] = [*bill.get("applied_credits", []), without_nulls(row)]
    bill = invoices.keep(desk, settle_invoice(bill, at))
    note["allocations"] = [*note.get("allocations", []), _allocation(bill, amount, at)]
    note = desk.save("credit_note", settle_credit_note(note, at))
    shift(desk, note["customer_id"], note["currency_code"], "refundable_credits", -amount)
    _told(desk, "credit_note_updated", note, bill)
    return note, bill


def release(desk: Desk, note_id: str, bill: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Take a credit note off an invoice: what was allocated is available again."""
    at = desk.at()
    rows = bill.get("applied_credits", [])
    amount = sum(row["applied_amount"] for row in rows if row["cn_id"] == note_id)
    bill["applied_credits"] = [row for row in rows if row["cn_id"] != note_id]
    bill = invoices.keep(desk, settle_invoice(bill, at))
    note = desk.find("credit_note", note_id)
    note["allocations"] = [row for row in note["allocations"] if row["invoice_id"] != bill["id"]]
    note.pop("refunded_at", None)
    note = desk.save("credit_note", settle_credit_note(note, at))
    shift(desk, note["customer_id"], note["currency_code"], "refundable_credits", amount)
    _told(desk, "credit_note_updated", note, bill)
    return note, bill


def refunded(desk: Desk, note: JsonObject, refund: JsonObject) -> JsonObject:
    """Link a refund to a credit note; gives the stored note."""
    amount = refund["amount"]
    row = {
        "txn_id": refund["id"],
        "applied_amount": amount,
        "applied_at": desk.at(),
        "txn_status": refund["status"],
        "txn_date": refund["date"],
        "txn_amount": amount,
        "object": "linked_refund",
    }
    note["linked_refunds"] = [*note.get("linked_refunds", []), row]
    note = desk.save("credit_note", settle_credit_note(note, desk.at()))
    shift(desk, note["customer_id"], note["currency_code"], "refundable_credits", -amount)
    return note


def void(desk: Desk, note: JsonObject) -> JsonObject:
    """Void a credit note of which nothing was used."""
    left = note["amount_available"]
    note |= {"status": "voided", "voided_at": desk.at()}
    note = desk.save("credit_note", settle_credit_note(note, desk.at()))
    if note["type"] != "adjustment":
        shift(desk, note["customer_id"], note["currency_code"], "refundable_credits", -left)
    bill = desk.store.get("invoice", note.get("reference_invoice_id", ""))
    if bill is not None:
        for row in bill.get("issued_credit_notes", []):
            if row["cn_id"] == note["id"]:
                row["cn_status"] = "voided"
        bill = invoices.keep(desk, bill)
    _told(desk, "credit_note_updated", note, bill)
    return note


def available(desk: Desk, customer_id: str, currency: str) -> list[JsonObject]:
    """The credit notes of a customer with something left to use, oldest first."""
    condition = (
        "o.owner = ? AND json_extract(o.body, '$.amount_available') > 0 "
        "AND json_extract(o.body, '$.currency_code') = ? AND json_extract(o.body, '$.status') = 'refund_due'"
    )
    return desk.store.matching("credit_note", condition, (customer_id, currency))


def _new(desk: Desk, bill: JsonObject, type: str, amount: int, reason: str, body: JsonObject | None) -> JsonObject:
    id = f"CN-{desk.new_id()}"
    values: JsonObject = {
        "subscription_id": bill.get("subscription_id"),
        "reference_invoice_id": bill["id"],
        "reason_code": reason,
        "billing_address": bill.get("billing_address"),
        **(body or part_of_invoice(id, bill, amount)),
    }
    return _stored(desk, id, bill["customer_id"], bill["currency_code"], amount, type, values)


def _stored(
    desk: Desk, id: str, customer_id: str, currency: str, amount: int, type: str, values: JsonObject
) -> JsonObject:
    at = desk.at()
    value: JsonObject = {
        "id": id,
        "customer_id": customer_id,
        "type": type,
        "status": "adjusted" if type == "adjustment" else "refund_due",
        "date": at,
        "price_type": "tax_exclusive",
        "currency_code": currency,
        "total": amount,
        "generated_at": at,
        "channel": "web",
        "round_off_amount": 0,
        "fractional_correction": 0,
        "linked_refunds": [],
        "allocations": [],
        **values,
    }
    return desk.create("credit_note", settle_credit_note(without_nulls(value), at))


def _issued(note: JsonObject, name: str) -> JsonObject:
    row = {
        "cn_id": note["id"],
        "cn_reason_code": note.get("reason_code"),
        "cn_create_reason_code": note.get("create_reason_code"),
        "cn_date": note["date"],
        "cn_total": note["total"],
        "cn_status": note["status"],
        "object": name,
    }
    return without_nulls(row)


def _allocation(bill: JsonObject, amount: int, at: int) -> JsonObject:
    return {
        "invoice_id": bill["id"],
        "allocated_amount": amount,
        "allocated_at": at,
        "invoice_date": bill["date"],
        "invoice_status": bill["status"],
        "object": "allocation",
    }


def _told(desk: Desk, event: str, note: JsonObject, bill: JsonObject | None) -> None:
    customer = desk.store.get("customer", note["customer_id"])
    desk.emit(event, {"credit_note": note, "customer": customer, "invoice": bill})
