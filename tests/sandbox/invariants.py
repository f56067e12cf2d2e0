"""What must hold of a site's rows whatever was done: sums, statuses, links and balances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from aiochargebee_gw.sandbox._store import Store

Row = dict[str, Any]


def complaints(store: Store) -> list[str]:
    """Everything that does not add up; empty for books that are right."""
    return [
        *(line for row in store.matching("invoice", "1") for line in of_invoice(row)),
        *(line for row in store.matching("credit_note", "1") for line in of_credit_note(row)),
        *of_payments(store),
        *of_links(store),
        *(line for row in store.matching("subscription", "1") for line in of_subscription(store, row)),
        *of_customers(store),
    ]


def of_invoice(row: Row) -> Iterator[str]:
    """Lines, discounts and taxes make the total; what covers it and what is due make it, too."""
    lines = row.get("line_items", [])
    discount = sum(one["amount"] for one in row.get("discounts", []))
    checks = {
        "sub_total": row["sub_total"] == sum(line["amount"] for line in lines),
        "tax": row["tax"] == sum(line.get("tax_amount", 0) for line in lines),
        "taxes": row["tax"] == sum(tax["amount"] for tax in row.get("taxes", [])),
        "line_item_taxes": row["tax"] == sum(tax["tax_amount"] for tax in row.get("line_item_taxes", [])),
        "total": row["total"] == row["sub_total"] - discount + row["tax"],
        "paid": row["amount_paid"] == sum(one["applied_amount"] for one in row.get("linked_payments", [])),
        "credits": row["credits_applied"] == sum(one["applied_amount"] for one in row.get("applied_credits", [])),
        "nothing below nothing": row["amount_due"] >= 0 and row["total"] >= 0,
        "status": _status_fits(row),
    }
    if row["status"] != "voided":
        covered = ("amount_paid", "credits_applied", "amount_adjusted", "write_off_amount", "amount_due")
        checks["due"] = row["total"] == sum(row[name] for name in covered)
        adjusted = sum(one["cn_total"] for one in row.get("adjustment_credit_notes", []))
        checks["adjusted"] = row["amount_adjusted"] + row["write_off_amount"] == adjusted
    for name, holds in checks.items():
        if not holds:
            yield f"invoice {row['id']}: {name} {row}"


def _status_fits(row: Row) -> bool:
    if row["status"] == "paid":
        return bool(row["amount_due"] == 0 and "paid_at" in row)
    if row["status"] == "voided":
        return bool(row["amount_due"] == 0)
    return bool(row["status"] == "pending" or row["amount_due"] > 0)


def of_credit_note(row: Row) -> Iterator[str]:
    """What is allocated, refunded and available makes the total."""
    lines = row.get("line_items", [])
    parts = row["amount_allocated"] + row["amount_refunded"] + row["amount_available"]
    net = sum(line["amount"] for line in lines)
    tax = sum(line.get("tax_amount", 0) for line in lines)
    if row["status"] != "voided" and parts != row["total"]:
        yield f"credit note {row['id']}: parts {row}"
    if row["sub_total"] != net or (lines and net + tax != row["total"]):
        yield f"credit note {row['id']}: lines {row}"
    if row["amount_allocated"] != sum(one["allocated_amount"] for one in row.get("allocations", [])):
        yield f"credit note {row['id']}: allocations {row}"
    if row["amount_available"] < 0 or (row["status"] == "refunded") != (
        row["type"] != "adjustment" and row["status"] != "voided" and row["amount_available"] == 0
    ):
        yield f"credit note {row['id']}: status {row}"


def of_payments(store: Store) -> Iterator[str]:
    """A payment is what it was used for, what is left, and what of the rest went back."""
    back: dict[str, int] = defaultdict(int)
    rows = store.matching("transaction", "1")
    for row in rows:
        if row["type"] == "refund" and not row.get("linked_credit_notes") and row["status"] == "success":
            back[row.get("refunded_txn_id", "")] += row["amount"]
    for row in rows:
        if row["type"] != "payment":
            continue
        used = sum(one["applied_amount"] for one in row.get("linked_invoices", []))
        left = row.get("amount_unused", 0)
        whole = row["amount"] if row["status"] == "success" else 0
        if used + left + back[row["id"]] != whole or left < 0:
            yield f"payment {row['id']}: {used} + {left} + {back[row['id']]} is not {whole} {row}"


def of_links(store: Store) -> Iterator[str]:
    """Invoices and payments, invoices and credit notes say the same of each other."""
    bills = {row["id"]: row for row in store.matching("invoice", "1")}
    here = {
        (bill["id"], one["txn_id"], one["applied_amount"])
        for bill in bills.values()
        for one in bill.get("linked_payments", [])
    }
    there = {
        (one["invoice_id"], row["id"], one["applied_amount"])
        for row in store.matching("transaction", "1")
        for one in row.get("linked_invoices", [])
        if one["invoice_id"] in bills
    }
    if here != there:
        yield f"payments and invoices differ: {here ^ there}"
    applied = {
        (bill["id"], one["cn_id"], one["applied_amount"])
        for bill in bills.values()
        for one in bill.get("applied_credits", [])
    }
    allocated = {
        (one["invoice_id"], row["id"], one["allocated_amount"])
        for row in store.matching("credit_note", "json_extract(o.body, '$.type') <> 'adjustment'")
        for one in row.get("allocations", [])
        if one["invoice_id"] in bills
    }
    if applied != allocated:
        yield f"credits and invoices differ: {applied ^ allocated}"


def of_subscription(store: Store, row: Row) -> Iterator[str]:
    """The dates fit the status; the dues are those of its invoices."""
    status = row["status"]
    fits = {
        "future": "start_date" in row,
        "in_trial": "trial_end" in row,
        "active": "current_term_end" in row and "next_billing_at" in row,
        "non_renewing": "cancelled_at" in row and "next_billing_at" not in row,
        "paused": "pause_date" in row and "next_billing_at" not in row,
        "cancelled": "cancelled_at" in row and "next_billing_at" not in row,
        "transferred": True,
    }
    if not fits[status]:
        yield f"subscription {row['id']}: {status} {row}"
    if "current_term_end" in row and row["current_term_start"] > row["current_term_end"]:
        yield f"subscription {row['id']}: the term ends before it begins {row}"
    if (status in ("cancelled", "future", "in_trial", "paused")) and row.get("mrr", 0) and status != "paused":
        yield f"subscription {row['id']}: mrr {row}"
    condition = (
        "o.sub = ? AND json_extract(o.body, '$.amount_due') > 0 AND json_extract(o.body, '$.status') <> 'pending'"
    )
    due = store.matching("invoice", condition, (row["id"],))
    if (row.get("due_invoices_count", 0), row.get("total_dues", 0)) != (
        len(due),
        sum(bill["amount_due"] for bill in due),
    ):
        yield f"subscription {row['id']}: dues {row}"


def of_customers(store: Store) -> Iterator[str]:
    """Each balance is the sum of what it is made of."""
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in store.matching("promotional_credit", "1"):
        sign = 1 if row["type"] == "increment" else -1
        sums[row["customer_id"], row["currency_code"], "promotional_credits"] += sign * row["amount"]
    for row in store.matching("credit_note", "json_extract(o.body, '$.type') <> 'adjustment'"):
        sums[row["customer_id"], row["currency_code"], "refundable_credits"] += row["amount_available"]
    for row in store.matching("transaction", "json_extract(o.body, '$.type') = 'payment'"):
        sums[row["customer_id"], row["currency_code"], "excess_payments"] += row.get("amount_unused", 0)
    for row in store.matching("unbilled_charge", "1"):
        sums[row["customer_id"], row["currency_code"], "unbilled_charges"] += row["amount"]
    for row in store.matching("customer", "1"):
        yield from _balances_fit(row, sums)


def _balances_fit(row: Row, sums: dict[tuple[str, str, str], int]) -> Iterator[str]:
    shown = {entry["currency_code"]: entry for entry in row.get("balances", [])}
    currencies = {currency for owner, currency, _ in sums if owner == row["id"]} | set(shown)
    for currency in currencies:
        for name in ("promotional_credits", "refundable_credits", "excess_payments", "unbilled_charges"):
            due = sums[row["id"], currency, name]
            own = currency == row.get("preferred_currency_code")
            have = shown.get(currency, row if own else {}).get(name, 0)
            if have != due or (own and row.get(name, 0) != due):
                yield f"customer {row['id']}: {name} {have} is not {due}"
