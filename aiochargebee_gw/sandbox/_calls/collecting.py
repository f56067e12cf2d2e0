"""The money of invoices: collecting, recording, refunding, applying credits, writing off, dunning."""

from __future__ import annotations

from aiochargebee_gw.sandbox._billing.totals import creditable
from aiochargebee_gw.sandbox._calls.invoicing import check_invoice
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import credits, invoices, payments, refunds
from aiochargebee_gw.sandbox._ledger.sources import Source, source_of
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import Problem, declined, not_found, wrong_state, wrong_value

_OPEN = ("payment_due", "not_paid", "posted")


def _open_invoice(desk: Desk, id: str) -> JsonObject:
    bill = desk.find("invoice", id)
    if bill["status"] not in _OPEN or bill["amount_due"] <= 0:
        raise wrong_state(f"The invoice {id} is {bill['status']}: nothing is due.")
    return bill


def source_for(desk: Desk, customer: JsonObject, wanted: str | None) -> Source:
    """The payment source for a call; raises ``Problem`` (400 for none, 404 for an unknown one)."""
    found = source_of(desk, customer, wanted)
    if found is not None:
        return found
    if wanted is not None:
        raise not_found("payment_source", wanted, "payment_source_id")
    message = "There is no valid payment method for this customer."
    raise Problem(400, "payment_method_not_present", message, type="payment")


def collect_payment(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/collect_payment``; a declined card is 400 ``payment_processing_failed``.

    The failed attempt stays on record: a transaction ``failure``, linked to the invoice, and its event.
    """
    bill = _open_invoice(desk, id)
    params = desk.form(call, "invoice.collect_payment")
    amount = params.get("amount")
    if amount is not None and amount > bill["amount_due"]:
        raise wrong_value("amount", f"is more than the amount due, {bill['amount_due']}")
    customer = desk.find("customer", bill["customer_id"])
    source = source_for(desk, customer, params.get("payment_source_id"))
    bill, made = payments.collect(desk, bill, source, amount)
    if made["status"] != "success":
        raise declined("payment_processing_failed", made["error_text"], status=400, keeps=True)
    return {"invoice": bill, "transaction": made}


def record_payment(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/record_payment``: what is over the amount due stays as an excess payment."""
    bill = _open_invoice(desk, id)
    params = desk.form(call, "invoice.record_payment")
    sent = params["transaction"]
    amount = bill["amount_due"] if sent.get("amount") is None else sent["amount"]
    made = payments.record(desk, bill["customer_id"], sent, amount, bill["currency_code"], bill.get("subscription_id"))
    success = made["status"] == "success"
    bill, made = payments.apply(desk, bill, made, min(amount, bill["amount_due"]) if success else 0)
    content = {**invoices.beside(desk, bill), "transaction": made}
    desk.emit("payment_succeeded" if success else "payment_failed", content)
    return {"invoice": bill, "transaction": made}


def refund(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/refund``: a refundable credit note, refunded at once; at most what was paid."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.refund")
    amount = _refundable(bill, params.get("refund_amount"), "refund_amount")
    note, made = refunds.online(desk, _credit(desk, bill, amount, params), amount)
    return {"invoice": desk.find("invoice", id), "transaction": made, "credit_note": note}


def record_refund(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/record_refund``: the money went back outside."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.record_refund")
    sent = params["transaction"]
    amount = _refundable(bill, sent.get("amount"), "transaction[amount]")
    note, made = refunds.outside(desk, _credit(desk, bill, amount, params), amount, sent)
    return {"invoice": desk.find("invoice", id), "transaction": made, "credit_note": note}


def _refundable(bill: JsonObject, wanted: int | None, param: str) -> int:
    most = min(creditable(bill), int(bill["amount_paid"]))
    if most <= 0:
        raise wrong_state(f"Nothing of the invoice {bill['id']} can be refunded.")
    if wanted is not None and not 0 < wanted <= most:
        raise wrong_value(param, f"must be between 1 and {most}")
    return most if wanted is None else wanted


def _credit(desk: Desk, bill: JsonObject, amount: int, params: JsonObject) -> JsonObject:
    reason = (params.get("credit_note") or {}).get("reason_code") or "other"
    return credits.give_back(desk, bill, amount, reason)


def apply_payments(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/apply_payments``: excess payments of the customer, those named or all."""
    bill = _open_invoice(desk, id)
    params = desk.form(call, "invoice.apply_payments")
    named = [(row.get("id"), row.get("amount"), index) for index, row in enumerate(params.get("transactions") or ())]
    if not named:
        rows = payments.unused(desk, bill["customer_id"], bill["currency_code"])
        named = [(row["id"], None, index) for index, row in enumerate(rows)]
    for transaction_id, amount, index in named:
        payment = _excess(desk, bill, transaction_id, f"transactions[id][{index}]")
        most = min(payment["amount_unused"], bill["amount_due"])
        if amount is not None and amount > most:
            raise wrong_value(f"transactions[amount][{index}]", f"must not be more than {most}")
        if most > 0:
            bill, _ = payments.apply(desk, bill, payment, most if amount is None else amount)
    desk.emit("invoice_updated", invoices.beside(desk, bill))
    return {"invoice": bill}


def _excess(desk: Desk, bill: JsonObject, id: str | None, param: str) -> JsonObject:
    payment = desk.store.get("transaction", id or "")
    if payment is None or payment["deleted"] or payment["customer_id"] != bill["customer_id"]:
        raise not_found("transaction", id or "", param)
    if payment["type"] != "payment" or payment.get("amount_unused", 0) <= 0:
        raise wrong_state(f"The transaction {id} has nothing left over.")
    if payment["currency_code"] != bill["currency_code"]:
        raise wrong_value(param, "is in another currency")
    return payment


def apply_credits(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/apply_credits``: refundable credit notes of the customer, those named or all."""
    bill = _open_invoice(desk, id)
    params = desk.form(call, "invoice.apply_credits")
    named = [row.get("id") or "" for row in params.get("credit_notes") or ()]
    if not named:
        named = [row["id"] for row in credits.available(desk, bill["customer_id"], bill["currency_code"])]
    for index, note_id in enumerate(named):
        note = desk.store.get("credit_note", note_id)
        param = f"credit_notes[id][{index}]"
        if note is None or note["deleted"] or note["customer_id"] != bill["customer_id"]:
            raise not_found("credit_note", note_id, param)
        if note["status"] != "refund_due":
            raise wrong_state(f"The credit note {note_id} is {note['status']}.")
        if note["currency_code"] != bill["currency_code"]:
            raise wrong_value(param, "is in another currency")
        amount = min(note["amount_available"], bill["amount_due"])
        if amount > 0:
            _, bill = credits.allocate(desk, note, bill, amount)
    desk.emit("invoice_updated", invoices.beside(desk, bill))
    return {"invoice": bill}


def remove_payment(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/remove_payment``: the payment becomes an excess payment."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.remove_payment")
    transaction_id = params["transaction"]["id"]
    rows = [row for row in bill.get("linked_payments", []) if row["txn_id"] == transaction_id]
    if not rows or rows[0]["txn_status"] != "success":
        raise not_found("transaction", transaction_id, "transaction[id]")
    _check_credited(bill, rows[0]["applied_amount"])
    bill, payment = payments.unlink(desk, bill, transaction_id)
    desk.emit("invoice_updated", invoices.beside(desk, bill))
    return {"invoice": bill, "transaction": payment}


def remove_credit_note(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/remove_credit_note``: what was applied of it is available again."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.remove_credit_note")
    note_id = params["credit_note"]["id"]
    amounts = [row["applied_amount"] for row in bill.get("applied_credits", []) if row["cn_id"] == note_id]
    if not amounts:
        raise not_found("credit_note", note_id, "credit_note[id]")
    _check_credited(bill, sum(amounts))
    note, bill = credits.release(desk, note_id, bill)
    desk.emit("invoice_updated", invoices.beside(desk, bill))
    return {"invoice": bill, "credit_note": note}


def _check_credited(bill: JsonObject, amount: int) -> None:
    if bill["status"] == "voided" or creditable(bill) < amount:
        raise wrong_state(f"The invoice {bill['id']} is voided, or was credited back.")


def write_off(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/write_off``: an adjustment credit note over what is due."""
    bill = _open_invoice(desk, id)
    desk.form(call, "invoice.write_off")
    note = credits.adjust(desk, bill, bill["amount_due"], "write_off")
    bill = desk.find("invoice", id)
    desk.emit("invoice_updated", invoices.beside(desk, bill))
    return {"invoice": bill, "credit_note": note}


def stop_dunning(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/stop_dunning``: no more attempts, the invoice is ``not_paid``."""
    bill = _dunned(desk, id, "in_progress")
    desk.form(call, "invoice.stop_dunning")
    bill |= {"dunning_status": "stopped", "status": "not_paid"}
    bill.pop("next_retry_at", None)
    return {"invoice": invoices.keep(desk, bill, "dunning_updated")}


def pause_dunning(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/pause_dunning``: the next attempt is made on ``expected_payment_date``."""
    bill = _dunned(desk, id, "in_progress")
    params = desk.form(call, "invoice.pause_dunning")
    at: int = params["expected_payment_date"]
    if at <= desk.at():
        raise wrong_value("expected_payment_date", "must be in the future")
    bill |= {"expected_payment_date": at, "next_retry_at": at}
    return {"invoice": invoices.keep(desk, bill, "dunning_updated")}


def resume_dunning(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/resume_dunning``: the next attempt is made now."""
    bill = check_invoice(desk, id, "id")
    desk.form(call, "invoice.resume_dunning")
    if bill.get("dunning_status") not in ("in_progress", "stopped") or bill["amount_due"] <= 0:
        raise wrong_state(f"The invoice {id} is not dunned.")
    bill |= {"dunning_status": "in_progress", "next_retry_at": desk.at(), "status": "payment_due"}
    bill.pop("expected_payment_date", None)
    return {"invoice": invoices.keep(desk, bill, "dunning_updated")}


def _dunned(desk: Desk, id: str, status: str) -> JsonObject:
    bill = desk.find("invoice", id)
    if bill.get("dunning_status") != status:
        raise wrong_state(f"The invoice {id} is not dunned.")
    return bill


OPERATIONS = (
    ("POST", "invoices/*/collect_payment", collect_payment, None),
    ("POST", "invoices/*/record_payment", record_payment, None),
    ("POST", "invoices/*/refund", refund, None),
    ("POST", "invoices/*/record_refund", record_refund, None),
    ("POST", "invoices/*/apply_payments", apply_payments, None),
    ("POST", "invoices/*/apply_credits", apply_credits, None),
    ("POST", "invoices/*/remove_payment", remove_payment, None),
    ("POST", "invoices/*/remove_credit_note", remove_credit_note, None),
    ("POST", "invoices/*/write_off", write_off, None),
    ("POST", "invoices/*/stop_dunning", stop_dunning, None),
    ("POST", "invoices/*/pause_dunning", pause_dunning, None),
    ("POST", "invoices/*/resume_dunning", resume_dunning, None),
)
