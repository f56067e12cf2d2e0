"""Money that adds up: invoices, payments, refunds, credits, unbilled charges; the books are checked after each call."""

from __future__ import annotations

from typing import Any

import pytest

from aiochargebee_gw.sandbox._kinds import KINDS

from .books import DAY, FAILING, NOW, Books
from .test_sandbox_seed import check


@pytest.fixture
def books() -> Books:
    """A site without customers but for Ada (with a card) and Bob (without)."""
    made = Books()
    made.customer()
    made.customer("bob", number=None)
    made.fresh()
    return made


def invoice(books: Books, customer: str = "bob", amount: int = 1_000, **more: object) -> Any:
    """A one-off invoice for one charge."""
    form = {"customer_id": customer, "charges[amount][0]": amount, "charges[description][0]": "Work"}
    return books.post("/invoices/create_for_charge_items_and_charges", form | more)["invoice"]


def test_lines_discounts_and_taxes() -> None:
    """Ten percent off, then a quarter of tax, to the cent, spread over the lines."""
    books = Books()
    books.customer("nils", **{"billing_address[country]": "NO"})
    made = books.subscribe(
        "basic-USD-Monthly", "backup-USD-Monthly", customer="nils", id="s1", **{"coupon_ids[0]": "WELCOME"}
    )
    bill = made["invoice"]
    assert (bill["sub_total"], bill["discounts"][0]["amount"], bill["tax"], bill["total"]) == (1_200, 120, 270, 1_350)
    assert [row["discount_amount"] for row in bill["line_items"]] == [90, 30]
    assert made["subscription"]["coupons"][0]["applied_count"] == 1
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 1_500


def test_exempt_customers_pay_no_tax() -> None:
    """The line says why."""
    books = Books()
    books.customer("ngo", **{"billing_address[country]": "NO", "taxability": "exempt"})
    bill = books.subscribe(customer="ngo")["invoice"]
    assert (bill["tax"], bill["line_items"][0]["tax_exempt_reason"]) == (0, "customer_exempt")


def test_one_off_invoice_collects_and_declined_stays_due(books: Books) -> None:
    """A charge is collected from the card; a declined card is no error here: the invoice is ``payment_due``."""
    assert invoice(books, "ada")["status"] == "paid"
    books.customer("eve", number=FAILING)
    bill = invoice(books, "eve")
    assert (bill["status"], bill["amount_due"], bill["linked_payments"][0]["txn_status"]) == (
        "payment_due",
        1_000,
        "failure",
    )


def test_collect_payment(books: Books) -> None:
    """A declined attempt is 400 and stays on record; with a good card the same call succeeds, once."""
    bill = invoice(books)
    path = f"/invoices/{bill['id']}/collect_payment"
    assert books.refused(path)[:2] == (400, "payment_method_not_present")
    books.post(
        "/payment_sources/create_card",
        {"customer_id": "bob", "card[number]": FAILING, "card[expiry_month]": 1, "card[expiry_year]": 2030},
    )
    books.fresh()
    assert books.refused(path)[:2] == (400, "payment_processing_failed")
    assert books.fresh() == ["payment_failed"]
    assert [row["txn_status"] for row in books.row("invoice", bill["id"])["linked_payments"]] == ["failure"]
    books.post("/payment_sources/create_card", {
        "customer_id": "bob", "card[number]": "5555555555554444", "card[expiry_month]": 1, "card[expiry_year]": 2030,
        "replace_primary_payment_source": True,
    })  # fmt: skip
    part = books.post(path, amount=400)
    assert (part["invoice"]["amount_due"], part["transaction"]["amount"]) == (600, 400)
    assert books.post(path)["invoice"]["status"] == "paid"
    assert books.refused(path)[:2] == (409, "invalid_state_for_request")


def test_record_payment_leaves_an_excess(books: Books) -> None:
    """What is over the amount due stays with the customer, pays the next invoice, or goes back."""
    bill = invoice(books)
    form = {"transaction[payment_method]": "cash", "transaction[amount]": 1_500, "transaction[date]": NOW}
    made = books.post(f"/invoices/{bill['id']}/record_payment", form)
    assert (made["invoice"]["status"], made["transaction"]["amount_unused"]) == ("paid", 500)
    assert books.row("customer", "bob")["excess_payments"] == 500
    assert invoice(books, amount=300)["status"] == "paid"
    refund = books.post(f"/transactions/{made['transaction']['id']}/refund")["transaction"]
    assert (refund["type"], refund["amount"], books.row("customer", "bob")["excess_payments"]) == ("refund", 200, 0)
    assert books.refused(f"/transactions/{made['transaction']['id']}/refund")[0] == 409


def test_excess_payment_and_apply_payments(books: Books) -> None:
    """A payment on account is applied to an invoice by name and amount, and can be taken off again."""
    bill = invoice(books)
    form = {"transaction[amount]": 700, "transaction[payment_method]": "cash", "transaction[date]": NOW}
    paid = books.post("/customers/bob/record_excess_payment", form)["transaction"]
    path = f"/invoices/{bill['id']}"
    applied = books.post(f"{path}/apply_payments", {"transactions[id][0]": paid["id"], "transactions[amount][0]": 500})[
        "invoice"
    ]
    assert (applied["amount_paid"], applied["amount_due"]) == (500, 500)
    removed = books.post(f"{path}/remove_payment", {"transaction[id]": paid["id"]})
    assert (removed["invoice"]["amount_due"], removed["transaction"]["amount_unused"]) == (1_000, 700)
    assert books.post(f"{path}/apply_payments")["invoice"]["amount_due"] == 300


def test_refunds_never_exceed_what_was_paid(books: Books) -> None:
    """Two refunds up to the sum; each is a refundable credit note, refunded; a third is 409."""
    bill = invoice(books, "ada")
    path = f"/invoices/{bill['id']}/refund"
    assert books.refused(path, refund_amount=1_001)[2] == "refund_amount"
    first = books.post(path, refund_amount=400)
    assert (first["credit_note"]["status"], first["transaction"]["amount"]) == ("refunded", 400)
    assert first["transaction"]["refunded_txn_id"] == bill["linked_payments"][0]["txn_id"]
    assert books.post(path)["transaction"]["amount"] == 600
    assert books.refused(path)[:2] == (409, "invalid_state_for_request")
    assert books.row("invoice", bill["id"])["status"] == "paid"


def test_record_refund(books: Books) -> None:
    """A refund made outside says how."""
    bill = invoice(books, "ada")
    form = {"transaction[payment_method]": "bank_transfer", "transaction[date]": NOW, "transaction[amount]": 250}
    made = books.post(f"/invoices/{bill['id']}/record_refund", form)
    assert (made["transaction"]["payment_method"], made["credit_note"]["total"]) == ("bank_transfer", 250)


def test_credit_notes(books: Books) -> None:
    """An adjustment lessens what is due, at most all of it; a refundable one is applied to another invoice."""
    bill = invoice(books)
    form = {"reference_invoice_id": bill["id"], "type": "adjustment", "reason_code": "waiver", "total": 300}
    made = books.post("/credit_notes", form)
    assert (made["invoice"]["amount_adjusted"], made["invoice"]["amount_due"]) == (300, 700)
    assert made["credit_note"]["status"] == "adjusted"
    assert books.refused("/credit_notes", form | {"total": 701})[2] == "total"
    assert books.refused("/credit_notes", form | {"type": "refundable"})[2] == "total"
    paid = invoice(books, "ada")
    note = books.post("/credit_notes", {**form, "reference_invoice_id": paid["id"], "type": "refundable", "total": 250})
    assert books.row("customer", "ada")["refundable_credits"] == 250
    other = invoice(books, "ada", 900, auto_collection="off")
    assert (other["credits_applied"], other["amount_due"]) == (250, 650)
    assert books.row("credit_note", note["credit_note"]["id"])["status"] == "refunded"
    back = books.post(f"/invoices/{other['id']}/remove_credit_note", {"credit_note[id]": note["credit_note"]["id"]})
    assert (back["invoice"]["amount_due"], back["credit_note"]["amount_available"]) == (900, 250)
    assert books.post(f"/invoices/{other['id']}/apply_credits")["invoice"]["amount_due"] == 650


def test_credit_notes_are_refunded_or_voided(books: Books) -> None:
    """A part may be refunded; only one of which nothing was used can be voided."""
    bill = invoice(books, "ada")
    form = {"reference_invoice_id": bill["id"], "type": "refundable", "reason_code": "waiver"}
    first = books.post("/credit_notes", form | {"total": 400})["credit_note"]["id"]
    part = books.post(f"/credit_notes/{first}/refund", refund_amount=100)
    assert (part["credit_note"]["amount_available"], part["transaction"]["amount"]) == (300, 100)
    assert books.refused(f"/credit_notes/{first}/void")[0] == 409
    second = books.post("/credit_notes", form | {"total": 600})["credit_note"]["id"]
    assert books.post(f"/credit_notes/{second}/void")["credit_note"]["status"] == "voided"
    third = books.post("/credit_notes", form | {"total": 600})["credit_note"]["id"]
    assert books.post(f"/credit_notes/{third}/delete")["credit_note"]["deleted"] is True


def test_write_off_and_void(books: Books) -> None:
    """Written off, nothing is due; voided, the payment is an excess payment and the credits are back."""
    bill = invoice(books)
    made = books.post(f"/invoices/{bill['id']}/write_off")
    assert (made["invoice"]["write_off_amount"], made["credit_note"]["reason_code"]) == (1_000, "write_off")
    assert books.refused(f"/invoices/{bill['id']}/void")[0] == 409
    books.post("/promotional_credits/add", customer_id="ada", amount=200, description="Hello")
    paid = invoice(books, "ada")
    assert (paid["total"], paid["discounts"][0]["entity_type"]) == (800, "promotional_credits")
    voided = books.post(f"/invoices/{paid['id']}/void", void_reason_code="Duplicate")["invoice"]
    assert (voided["status"], voided["amount_due"], voided["void_reason_code"]) == ("voided", 0, "Duplicate")
    ada = books.row("customer", "ada")
    assert (ada["excess_payments"], ada["promotional_credits"]) == (800, 200)
    assert books.refused(f"/invoices/{paid['id']}/void")[0] == 409


def test_deleted_invoices_are_gone(books: Books) -> None:
    """What was paid is the customer's again."""
    bill = invoice(books, "ada")
    assert books.post(f"/invoices/{bill['id']}/delete")["invoice"]["deleted"] is True
    assert books.send("GET", f"/invoices/{bill['id']}")[0] == 404
    assert books.row("customer", "ada")["excess_payments"] == 1_000


def test_promotional_credits(books: Books) -> None:
    """Added, deducted (never below nothing) and set; each change is a row with its closing balance."""
    path = "/promotional_credits"
    form = {"customer_id": "bob", "description": "Gift"}
    assert books.post(f"{path}/add", form | {"amount": 500})["promotional_credit"]["closing_balance"] == 500
    assert books.refused(f"{path}/deduct", form | {"amount": 501})[2] == "amount"
    assert books.post(f"{path}/deduct", form | {"amount": 100})["customer"]["promotional_credits"] == 400
    made = books.post(f"{path}/set", form | {"amount": 50})["promotional_credit"]
    assert (made["type"], made["amount"], made["closing_balance"]) == ("decrement", 350, 50)
    assert len(books.get(path, {"customer_id[is]": "bob"})["list"]) == 3


def test_unbilled_charges(books: Books) -> None:
    """They wait on the customer's balance until they are invoiced, deleted, or the subscription renews."""
    books.subscribe(id="s1", customer="ada")
    form = {"subscription_id": "s1", "charges[amount][0]": 250, "charges[description][0]": "Extra"}
    charge = books.post("/unbilled_charges", form)["unbilled_charges"][0]
    assert books.row("customer", "ada")["unbilled_charges"] == 250
    books.post(f"/unbilled_charges/{charge['id']}/delete")
    books.post("/unbilled_charges", form)
    bills = books.post("/unbilled_charges/invoice_unbilled_charges", subscription_id="s1")["invoices"]
    assert [bill["total"] for bill in bills] == [250]
    assert books.refused("/unbilled_charges/invoice_unbilled_charges", subscription_id="s1")[0] == 409
    books.post("/unbilled_charges", form)
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 1_150


def test_pending_invoices(books: Books) -> None:
    """A pending invoice takes more charges and is collected when it is closed."""
    made = books.subscribe(id="s1", create_pending_invoices=True)
    bill = made["invoice"]
    assert (bill["status"], books.rows("transaction")) == ("pending", [])
    path = f"/invoices/{bill['id']}"
    more = books.post(f"{path}/add_charge", amount=100, description="Usage")["invoice"]
    assert (more["total"], len(more["line_items"])) == (1_000, 2)
    assert books.post(f"{path}/close")["invoice"]["status"] == "paid"
    assert books.refused(f"{path}/close")[0] == 409


def test_payment_terms(books: Books) -> None:
    """Posted until it is due, then ``payment_due``, by itself and with an event."""
    bill = invoice(books, net_term_days=30)
    assert (bill["status"], bill["due_date"]) == ("posted", NOW + 30 * DAY)
    books.fresh()
    books.travel(days=31)
    assert (books.row("invoice", bill["id"])["status"], books.fresh()) == ("payment_due", ["invoice_updated"])


def test_payment_sources(books: Books) -> None:
    """The first source is the primary one; roles move, deleting passes the role on, the card follows it."""
    form = {"customer_id": "bob", "card[expiry_month]": 1, "card[expiry_year]": 2030}
    first = books.post("/payment_sources/create_card", form | {"card[number]": "4242424242424242"})
    assert first["customer"]["primary_payment_source_id"] == first["payment_source"]["id"]
    second = books.post("/payment_sources/create_card", form | {"card[number]": "5555555555554444"})["payment_source"]
    assert books.get("/customers/bob")["card"]["last4"] == "4242"
    role = {"payment_source_id": second["id"], "role": "primary"}
    books.post("/customers/bob/assign_payment_role", role)
    assert books.get("/customers/bob")["card"]["card_type"] == "mastercard"
    books.post(f"/payment_sources/{second['id']}/delete")
    assert books.get("/customers/bob")["card"]["last4"] == "4242"
    changed = books.post(f"/payment_sources/{first['payment_source']['id']}/update_card", {"card[expiry_year]": 2035})[
        "payment_source"
    ]
    assert changed["card"]["expiry_year"] == 2035
    books.post("/customers/bob/delete_card")
    assert books.row("customer", "bob")["card_status"] == "no_card"
    bank = {"customer_id": "bob", "bank_account[account_number]": "000123456789"}
    made = books.post("/payment_sources/create_bank_account", bank)["payment_source"]
    assert (made["type"], made["bank_account"]["last4"]) == ("direct_debit", "6789")
    assert invoice(books)["status"] == "paid"
    wrong = form | {"card[number]": "12"}
    assert books.refused("/payment_sources/create_card", wrong)[2] == "card[number]"


def test_all_that_was_written_matches_the_catalogue(books: Books) -> None:
    """After a busy year every row and every event's content has the catalogue's attributes, types and values."""
    books.customer("eve", number=FAILING, **{"billing_address[country]": "DE"})
    books.customer("nils", **{"billing_address[country]": "NO"})
    books.post("/promotional_credits/add", customer_id="nils", amount=100, description="Hello")
    discount = {"discounts[percentage][0]": "5", "discounts[duration_type][0]": "forever"}
    books.subscribe("scale-USD-Monthly", "support-USD-Monthly", "Set-up fee USD", customer="nils", id="s1", **discount)
    books.subscribe("team-USD-Monthly", customer="eve", id="s2", **{"coupon_ids[0]": "WELCOME"})
    books.subscribe(id="s3", invoice_immediately=False)
    books.travel(days=45)
    books.post("/subscriptions/s1/update_for_items", {"subscription_items[item_price_id][0]": "enterprise-USD-Monthly"})
    books.post("/subscriptions/s3/update_for_items", {
        "subscription_items[item_price_id][0]": "scale-USD-Monthly", "end_of_term": True,
    })  # fmt: skip
    bill = invoice(books, net_term_days=5)
    form = {"transaction[payment_method]": "cash", "transaction[amount]": 1_200, "transaction[date]": NOW}
    books.post(f"/invoices/{bill['id']}/record_payment", form)
    books.post(f"/invoices/{invoice(books, 'nils')['id']}/refund", refund_amount=100)
    books.post(f"/invoices/{invoice(books, 'eve')['id']}/write_off")
    books.post(f"/invoices/{invoice(books, 'ada')['id']}/void")
    quoted = {"subscription_items[item_price_id][0]": "basic-USD-Monthly"}
    books.post("/customers/ada/create_subscription_quote_for_items", quoted)
    books.post("/exports/customers")
    books.post("/subscriptions/s1/pause", pause_option="end_of_term", resume_date=NOW + 200 * DAY)
    books.travel(days=300)
    books.post("/subscriptions/s3/cancel_for_items", end_of_term=True)
    found = [(kind, row) for kind in KINDS for row in books.rows(kind)]
    for event in books.events():
        for name, content in event["content"].items():
            rows = content if isinstance(content, list) else [content]
            found += [(row["object"], row) for row in rows]
            assert name in {row["object"] for row in rows} | {f"{row['object']}s" for row in rows}
    assert check(found) == []


def test_each_currency_has_its_balance(books: Books) -> None:
    """A customer of dollars with a subscription in euros: the top level is dollars, ``balances`` knows both."""
    books.subscribe("basic-EUR-Monthly", id="s1", invoice_immediately=False)
    ada = books.row("customer", "ada")
    assert ada["unbilled_charges"] == 0
    assert {row["currency_code"]: row["unbilled_charges"] for row in ada["balances"]} == {"EUR": 810}
    form = {"transaction[amount]": 500, "transaction[payment_method]": "cash", "transaction[date]": NOW}
    books.post("/customers/ada/record_excess_payment", form)
    books.travel(days=31)
    bill = books.rows("invoice")[-1]
    assert (bill["currency_code"], bill["total"], bill["amount_paid"]) == ("EUR", 1_620, 1_620)
    assert books.row("customer", "ada")["excess_payments"] == 500
