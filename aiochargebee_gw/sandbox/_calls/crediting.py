"""Credit notes, transactions, promotional credits, excess payments and unbilled charges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._billing.totals import creditable
from aiochargebee_gw.sandbox._calls.collecting import source_for
from aiochargebee_gw.sandbox._calls.invoicing import charge_lines, check_invoice, currency_of, item_lines
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import credits, payments, promotions, refunds, unbilled
from aiochargebee_gw.sandbox._ledger.balances import balance, shift
from aiochargebee_gw.sandbox._life import billing, sales, selling
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import Problem, declined, duplicate, missing, not_found, wrong_state, wrong_value


def create_credit_note(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /credit_notes``: ``adjustment`` lessens what an invoice owes, ``refundable`` credits what was paid."""
    params = desk.form(call, "credit_note.create", custom="credit_note")
    total = params.get("total")
    if total is None:
        raise missing("total")
    reason = params.get("reason_code") or "other"
    if params.get("reference_invoice_id") is None:
        return _standing_alone(desk, params, total, reason)
    bill = check_invoice(desk, params["reference_invoice_id"], "reference_invoice_id")
    if bill["status"] in ("voided", "pending"):
        raise wrong_state(f"The invoice {bill['id']} is {bill['status']}.")
    adjusts = params["type"] == "adjustment"
    most = bill["amount_due"] if adjusts else creditable(bill)
    if not 0 < total <= most:
        raise wrong_value("total", f"must be between 1 and {most}")
    note = (credits.adjust if adjusts else credits.give_back)(desk, bill, total, reason)
    return {"credit_note": note, "invoice": desk.find("invoice", bill["id"])}


def _standing_alone(desk: Desk, params: JsonObject, total: int, reason: str) -> JsonObject:
    if params.get("customer_id") is None:
        raise missing("reference_invoice_id")
    customer = desk.find("customer", params["customer_id"], param="customer_id")
    if params["type"] == "adjustment":
        raise missing("reference_invoice_id")
    if total <= 0:
        raise wrong_value("total", "must be more than 0")
    currency = params.get("currency_code") or customer.get("preferred_currency_code", "USD")
    return {"credit_note": credits.standing_alone(desk, customer, total, currency, {"reason_code": reason})}


def retrieve_credit_note(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /credit_notes/{id}``."""
    return {"credit_note": desk.find("credit_note", id)}


def refund_credit_note(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /credit_notes/{id}/refund``: at most what is available."""
    note = _due(desk, id)
    params = desk.form(call, "credit_note.refund")
    amount = _within(note, params.get("refund_amount"), "refund_amount")
    note, made = refunds.online(desk, note, amount)
    return {"credit_note": note, "transaction": made}


def record_credit_note_refund(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /credit_notes/{id}/record_refund``: the money went back outside."""
    note = _due(desk, id)
    params = desk.form(call, "credit_note.record_refund")
    amount = _within(note, params["transaction"].get("amount"), "transaction[amount]")
    note, made = refunds.outside(desk, note, amount, params["transaction"])
    return {"credit_note": note, "transaction": made}


def _due(desk: Desk, id: str) -> JsonObject:
    note = desk.find("credit_note", id)
    if note["status"] != "refund_due":
        raise wrong_state(f"The credit note {id} is {note['status']}.")
    return note


def _within(note: JsonObject, wanted: int | None, param: str) -> int:
    most: int = note["amount_available"]
    if wanted is not None and not 0 < wanted <= most:
        raise wrong_value(param, f"must be between 1 and {most}")
    return most if wanted is None else wanted


def void_credit_note(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /credit_notes/{id}/void``: only one of which nothing was used."""
    note = _untouched(desk, id)
    desk.form(call, "credit_note.void_credit_note")
    return {"credit_note": credits.void(desk, note)}


def delete_credit_note(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /credit_notes/{id}/delete``: as voiding, but it is gone."""
    note = _untouched(desk, id)
    desk.form(call, "credit_note.delete")
    note = desk.save("credit_note", {**credits.void(desk, note), "deleted": True})
    desk.emit("credit_note_deleted", {"credit_note": note, "customer": desk.store.get("customer", note["customer_id"])})
    return {"credit_note": note}


def _untouched(desk: Desk, id: str) -> JsonObject:
    note = desk.find("credit_note", id)
    if note["status"] == "voided" or note["type"] == "adjustment" or note["amount_available"] != note["total"]:
        raise wrong_state(f"The credit note {id} is {note['status']}, or was used.")
    return note


def refund_transaction(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /transactions/{id}/refund``: gives back what a payment has left over."""
    payment = _left_over(desk, id)
    params = desk.form(call, "transaction.refund")
    amount = _at_most(payment, params.get("amount"))
    return {"transaction": refunds.of_excess(desk, payment, amount)}


def record_transaction_refund(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /transactions/{id}/record_refund``."""
    payment = _left_over(desk, id)
    params = desk.form(call, "transaction.record_refund")
    amount = _at_most(payment, params.get("amount"))
    return {"transaction": refunds.of_excess(desk, payment, amount, params)}


def _left_over(desk: Desk, id: str) -> JsonObject:
    payment = desk.find("transaction", id)
    if payment["type"] != "payment" or payment["status"] != "success" or payment.get("amount_unused", 0) <= 0:
        raise wrong_state(f"The transaction {id} has nothing left over that could be refunded.")
    return payment


def _at_most(payment: JsonObject, wanted: int | None) -> int:
    most: int = payment["amount_unused"]
    if wanted is not None and not 0 < wanted <= most:
        raise wrong_value("amount", f"must be between 1 and {most}")
    return most if wanted is None else wanted


def delete_offline_transaction(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /transactions/{id}/delete_offline_transaction``: only a recorded payment that is not in use."""
    payment = desk.find("transaction", id)
    desk.form(call, "transaction.delete_offline_transaction")
    used = any(row["applied_amount"] for row in payment.get("linked_invoices", []))
    if payment["gateway"] != "not_applicable" or used or payment.get("linked_refunds"):
        raise wrong_state(f"The transaction {id} was made online, or is in use.")
    if payment["status"] == "success" and payment["type"] == "payment":
        delta = -payment.get("amount_unused", 0)
        shift(desk, payment["customer_id"], payment["currency_code"], "excess_payments", delta)
    for row in payment.get("linked_invoices", []):
        bill = desk.store.get("invoice", row["invoice_id"])
        if bill is not None:
            payments.unlink(desk, bill, id)
    saved = desk.save("transaction", {**desk.find("transaction", id), "deleted": True})
    desk.emit("transaction_deleted", {"transaction": saved})
    return {"transaction": saved}


def record_excess_payment(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/record_excess_payment``."""
    customer = desk.find("customer", id)
    params = desk.form(call, "customer.record_excess_payment")
    sent = params["transaction"]
    if sent.get("id") and desk.store.text("transaction", sent["id"]) is not None:
        raise duplicate("transaction[id]", sent["id"])
    currency = sent.get("currency_code") or customer.get("preferred_currency_code", "USD")
    made = payments.record(desk, id, sent, sent["amount"], currency)
    answer = {"customer": desk.find("customer", id), "transaction": made}
    desk.emit("payment_succeeded", answer)
    return answer


def collect_customer_payment(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/collect_payment``: for the invoices that are named, the rest stays as excess."""
    customer = desk.find("customer", id)
    params = desk.form(call, "customer.collect_payment")
    parts = []
    for index, row in enumerate(params.get("invoice_allocations") or ()):
        bill = check_invoice(desk, row["invoice_id"], f"invoice_allocations[invoice_id][{index}]")
        amount = bill["amount_due"] if row.get("allocation_amount") is None else row["allocation_amount"]
        if bill["customer_id"] != id or not 0 < amount <= bill["amount_due"] or bill["status"] == "pending":
            raise wrong_value(f"invoice_allocations[allocation_amount][{index}]", "is more than what is due")
        parts.append((bill["id"], amount, bill["currency_code"]))
    total = sum(amount for _, amount, _ in parts)
    wanted = params.get("amount") or total
    currencies = {currency for _, _, currency in parts} or {customer.get("preferred_currency_code", "USD")}
    if wanted <= 0 or wanted < total or len(currencies) > 1:
        raise wrong_value("amount", "must cover the invoices, all in one currency")
    source = source_for(desk, customer, params.get("payment_source_id"))
    made = payments.charge(desk, customer, source, wanted, currencies.pop())
    if made["status"] != "success":
        desk.emit("payment_failed", {"customer": customer, "transaction": made})
        raise declined("payment_processing_failed", made["error_text"], status=400, keeps=True)
    for invoice_id, amount, _ in parts:
        _, made = payments.apply(desk, desk.find("invoice", invoice_id), made, amount)
    answer = {"customer": desk.find("customer", id), "transaction": made}
    desk.emit("payment_succeeded", answer)
    return answer


def add_promotion(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /promotional_credits/add``."""
    params, currency, amount = _promotion(desk, call, "promotional_credit.add")
    return _promoted(desk, params, currency, amount)


def deduct_promotion(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /promotional_credits/deduct``: at most what there is."""
    params, currency, amount = _promotion(desk, call, "promotional_credit.deduct")
    if amount > balance(desk, params["customer_id"], currency, "promotional_credits"):
        raise Problem(400, "invalid_request", "there are not so many promotional credits", param="amount")
    return _promoted(desk, params, currency, -amount)


def set_promotion(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /promotional_credits/set``: the balance becomes ``amount``."""
    params, currency, amount = _promotion(desk, call, "promotional_credit.set")
    have = balance(desk, params["customer_id"], currency, "promotional_credits")
    if amount == have:
        raise wrong_value("amount", "is the balance already")
    return _promoted(desk, params, currency, amount - have)


def _promotion(desk: Desk, call: Call, name: str) -> tuple[JsonObject, str, int]:
    params = desk.form(call, name)
    customer = desk.find("customer", params["customer_id"], param="customer_id")
    amount: int | None = params.get("amount")
    if amount is None:
        raise missing("amount")
    if amount <= 0 and name != "promotional_credit.set":
        raise wrong_value("amount", "must be more than 0")
    return params, params.get("currency_code") or customer.get("preferred_currency_code", "USD"), amount


def _promoted(desk: Desk, params: JsonObject, currency: str, delta: int) -> JsonObject:
    made = promotions.change(
        desk,
        params["customer_id"],
        currency,
        delta,
        params["description"],
        credit_type=params.get("credit_type") or "general",
        reference=params.get("reference"),
    )
    return {"customer": desk.find("customer", params["customer_id"]), "promotional_credit": made}


def change_promotion(name: str, sign: int, desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/add_promotional_credits``, ``deduct_``, ``set_``: the older calls for the same."""
    customer = desk.find("customer", id)
    params = desk.form(call, f"customer.{name}")
    amount: int | None = params.get("amount")
    if amount is None or amount < 0:
        raise missing("amount") if amount is None else wrong_value("amount", "must not be negative")
    currency = params.get("currency_code") or customer.get("preferred_currency_code", "USD")
    have = balance(desk, id, currency, "promotional_credits")
    delta = sign * amount if sign else amount - have
    if have + delta < 0:
        raise Problem(400, "invalid_request", "there are not so many promotional credits", param="amount")
    if delta:
        promotions.change(desk, id, currency, delta, params["description"], reference=params.get("reference"))
    return {"customer": desk.find("customer", id)}


def retrieve_promotion(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /promotional_credits/{id}``."""
    return {"promotional_credit": desk.find("promotional_credit", id)}


def create_unbilled(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /unbilled_charges`` (2.0): item prices and charges of a subscription."""
    params = desk.form(call, "unbilled_charge.create")
    value = _subscription(desk, params)
    currency = currency_of(params, ({}, value))
    lines = item_lines(desk, params, currency) + charge_lines(desk, params)
    return _unbilled(desk, value, lines)


def create_unbilled_charge(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /unbilled_charges/create`` (1.0): addons and charges of a subscription."""
    params = desk.form(call, "unbilled_charge.create_unbilled_charge")
    value = _subscription(desk, params)
    rows = sales.addon_rows(desk, params.get("addons") or (), value["currency_code"])
    lines = [selling.addon_line(desk, value["id"], row, desk.at(), desk.at()) for row in rows]
    return _unbilled(desk, value, lines + charge_lines(desk, params))


def _subscription(desk: Desk, params: JsonObject) -> JsonObject:
    value = desk.store.get("subscription", params["subscription_id"])
    if value is None or value["deleted"]:
        raise not_found("subscription", params["subscription_id"], "subscription_id")
    return value


def _unbilled(desk: Desk, value: JsonObject, lines: list[Line]) -> JsonObject:
    if not lines:
        raise missing("charges[amount][0]")
    return {"unbilled_charges": unbilled.add(desk, value, lines)}


def invoice_unbilled_charges(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /unbilled_charges/invoice_unbilled_charges``: of a subscription, or of all of a customer's."""
    params = desk.form(call, "unbilled_charge.invoice_unbilled_charges")
    if params.get("subscription_id"):
        ids = [_subscription(desk, params)["id"]]
    elif params.get("customer_id"):
        desk.find("customer", params["customer_id"], param="customer_id")
        ids = [row["id"] for row in desk.store.owned("subscription", params["customer_id"]) if not row["deleted"]]
    else:
        raise missing("subscription_id")
    made = [billing.bill_lines(desk, id, [], discounted=False) for id in ids]
    bills = [bill for bill in made if bill is not None]
    if not bills:
        raise wrong_state("There are no unbilled charges.")
    return {"invoices": bills}


def delete_unbilled(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /unbilled_charges/{id}/delete``."""
    row = desk.find("unbilled_charge", id)
    desk.form(call, "unbilled_charge.delete")
    return {"unbilled_charge": unbilled.drop(desk, row)}


_OLDER: tuple[tuple[str, str, Callable[[Desk, Call, str], JsonObject], str | None], ...] = tuple(
    ("POST", f"customers/*/{name}", partial(change_promotion, name, sign), None)
    for name, sign in (
        ("add_promotional_credits", 1),
        ("deduct_promotional_credits", -1),
        ("set_promotional_credits", 0),
    )
)
OPERATIONS = (
    ("POST", "credit_notes", create_credit_note, None),
    ("GET", "credit_notes/*", retrieve_credit_note, None),
    ("POST", "credit_notes/*/refund", refund_credit_note, None),
    ("POST", "credit_notes/*/record_refund", record_credit_note_refund, None),
    ("POST", "credit_notes/*/void", void_credit_note, None),
    ("POST", "credit_notes/*/delete", delete_credit_note, None),
    ("POST", "transactions/*/refund", refund_transaction, None),
    ("POST", "transactions/*/record_refund", record_transaction_refund, None),
    ("POST", "transactions/*/delete_offline_transaction", delete_offline_transaction, None),
    ("POST", "customers/*/record_excess_payment", record_excess_payment, None),
    ("POST", "customers/*/collect_payment", collect_customer_payment, None),
    ("POST", "promotional_credits/add", add_promotion, None),
    ("POST", "promotional_credits/deduct", deduct_promotion, None),
    ("POST", "promotional_credits/set", set_promotion, None),
    ("GET", "promotional_credits/*", retrieve_promotion, None),
    *_OLDER,
    ("POST", "unbilled_charges", create_unbilled, "pc2"),
    ("POST", "unbilled_charges/create", create_unbilled_charge, "pc1"),
    ("POST", "unbilled_charges/invoice_unbilled_charges", invoice_unbilled_charges, None),
    ("POST", "unbilled_charges/*/delete", delete_unbilled, None),
)
