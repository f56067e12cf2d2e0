"""Invoices and payments whose totals add up; amounts are integers in the currency's minor unit."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject, without_nulls

PAYMENT_DELAY = 40
"""Seconds between an invoice and its payment."""


@frozen
class Line:
    """One line before tax: what, how many, at which price, for which time."""

    entity_id: str
    entity_type: str
    description: str
    quantity: int
    unit_amount: int
    date_from: int
    date_to: int
    pricing_model: str = "per_unit"

    @property
    def amount(self) -> int:
        """Quantity times price, or the flat price."""
        return self.unit_amount if self.pricing_model == "flat_fee" else self.quantity * self.unit_amount


@frozen
class Bill:
    """What an invoice is made from; ``discount`` is taken from the first line, ``tax_rate`` is in percent."""

    id: str
    customer: JsonObject
    subscription_id: str
    lines: Sequence[Line]
    date: int
    status: str
    currency: str
    tax_rate: float = 0.0
    tax_name: str = "VAT"
    discount: int = 0
    coupon: str | None = None
    net_term_days: int = 0
    first: bool = False


def invoice(bill: Bill) -> JsonObject:
    """The invoice object, without payments: :func:`pay` adds one."""
    rows, taxes = _line_items(bill)
    sub_total = sum(row["amount"] for row in rows)
    tax = sum(row["tax_amount"] for row in rows)
    total = sub_total - bill.discount + tax
    due = 0 if bill.status == "voided" else total
    value: JsonObject = {
        "id": bill.id,
        "customer_id": bill.customer["id"],
        "subscription_id": bill.subscription_id,
        "recurring": True,
        "status": bill.status,
        "date": bill.date,
        "due_date": bill.date + bill.net_term_days * 86_400,
        "net_term_days": bill.net_term_days,
        "vat_number": bill.customer.get("vat_number"),
        "price_type": "tax_exclusive",
        "exchange_rate": 1.0,
        "currency_code": bill.currency,
        "tax": tax,
        "sub_total": sub_total,
        "total": total,
        "amount_due": due,
        "amount_adjusted": 0,
        "amount_paid": 0,
        "write_off_amount": 0,
        "credits_applied": 0,
        "resource_version": bill.date * 1000,
        "updated_at": bill.date,
        "first_invoice": bill.first,
        "new_sales_amount": total if bill.first else None,
        "has_advance_charges": False,
        "term_finalized": True,
        "is_gifted": False,
        "generated_at": bill.date,
        "amount_to_collect": due,
        "round_off_amount": 0,
        "line_items": rows,
        "line_item_taxes": taxes or None,
        "taxes": _taxes(bill, tax),
        "deleted": False,
        "object": "invoice",
    }
    value.update(_discounts(bill, rows))
    if "billing_address" in bill.customer:
        value["billing_address"] = bill.customer["billing_address"]
    return without_nulls(value)


def _line_items(bill: Bill) -> tuple[list[JsonObject], list[JsonObject]]:
    rows: list[JsonObject] = []
    taxes: list[JsonObject] = []
    for index, line in enumerate(bill.lines):
        row = _line_item(bill, line, f"li_{bill.id}_{index + 1}", bill.discount if index == 0 else 0)
        rows.append(row)
        if row["is_taxed"]:
            taxes.append(_line_item_tax(bill, row))
    return rows, taxes


def _line_item(bill: Bill, line: Line, id: str, discount: int) -> JsonObject:
    taxed = bill.tax_rate > 0
    row: JsonObject = {
        "id": id,
        "subscription_id": bill.subscription_id,
        "date_from": line.date_from,
        "date_to": line.date_to,
        "unit_amount": line.unit_amount,
        "quantity": line.quantity,
        "amount": line.amount,
        "pricing_model": line.pricing_model,
        "is_taxed": taxed,
        "tax_amount": round((line.amount - discount) * bill.tax_rate / 100),
        "tax_rate": bill.tax_rate if taxed else None,
        "discount_amount": discount,
        "item_level_discount_amount": 0,
        "description": line.description,
        "entity_type": line.entity_type,
        "tax_exempt_reason": None if taxed else "tax_not_configured",
        "entity_id": line.entity_id,
        "customer_id": bill.customer["id"],
        "object": "line_item",
    }
    return without_nulls(row)


def _line_item_tax(bill: Bill, row: JsonObject) -> JsonObject:
    return {
        "line_item_id": row["id"],
        "tax_name": bill.tax_name,
        "tax_rate": bill.tax_rate,
        "is_partial_tax_applied": False,
        "is_non_compliance_tax": False,
        "taxable_amount": row["amount"] - row["discount_amount"],
        "tax_amount": row["tax_amount"],
        "tax_juris_type": "country",
        "tax_juris_name": bill.customer.get("billing_address", {}).get("country", "US"),
        "object": "line_item_tax",
    }


def _taxes(bill: Bill, tax: int) -> list[JsonObject] | None:
    if bill.tax_rate <= 0:
        return None
    description = f"{bill.tax_name} @ {bill.tax_rate:g}%"
    return [{"name": bill.tax_name, "amount": tax, "description": description, "object": "tax"}]


def _discounts(bill: Bill, rows: list[JsonObject]) -> JsonObject:
    if not bill.discount:
        return {}
    coupon = bill.coupon or "WELCOME"
    line = {
        "line_item_id": rows[0]["id"],
        "discount_type": "document_level_coupon",
        "coupon_id": coupon,
        "discount_amount": bill.discount,
        "object": "line_item_discount",
    }
    whole = {
        "amount": bill.discount,
        "description": coupon.title(),
        "entity_type": "document_level_coupon",
        "discount_type": "fixed_amount",
        "entity_id": coupon,
        "object": "discount",
    }
    return {"line_item_discounts": [line], "discounts": [whole]}


def payment(id: str, bill: JsonObject, card: JsonObject | None, *, status: str = "success") -> JsonObject:
    """The transaction that pays an invoice; by bank transfer where there is no card."""
    date = bill["date"] + PAYMENT_DELAY
    linked = {
        "invoice_id": bill["id"],
        "applied_amount": bill["total"] if status == "success" else 0,
        "applied_at": date,
        "invoice_date": bill["date"],
        "invoice_total": bill["total"],
        "invoice_status": "paid" if status == "success" else bill["status"],
        "object": "linked_invoice",
    }
    value: JsonObject = {
        "id": id,
        "customer_id": bill["customer_id"],
        "subscription_id": bill.get("subscription_id"),
        "gateway_account_id": card.get("gateway_account_id") if card else None,
        "payment_source_id": card["payment_source_id"] if card else None,
        "payment_method": "card" if card else "bank_transfer",
        "reference_number": None if card else f"WIRE-{id}",
        "gateway": card["gateway"] if card else "not_applicable",
        "type": "payment",
        "date": date,
        "settled_at": date + 86_400 if card and status == "success" else None,
        "exchange_rate": 1.0,
        "currency_code": bill["currency_code"],
        "amount": bill["total"],
        "id_at_gateway": f"ch_{id}" if card else None,
        "status": status,
        "fraud_flag": "safe" if card else None,
        "initiator_type": "merchant" if card else None,
        "three_d_secure": False if card else None,
        "error_code": "card_declined" if status == "failure" else None,
        "error_text": "Your card was declined." if status == "failure" else None,
        "resource_version": date * 1000,
        "updated_at": date,
        "amount_unused": 0,
        "masked_card_number": card.get("masked_number") if card else None,
        "linked_invoices": [linked],
        "linked_refunds": [],
        "deleted": False,
        "iin": card["iin"] if card else None,
        "last4": card["last4"] if card else None,
        "object": "transaction",
    }
    return without_nulls(value)


def pay(bill: JsonObject, transaction: JsonObject) -> None:
    """Note a payment, or a failed attempt, on the invoice it belongs to."""
    success = transaction["status"] == "success"
    linked = {
        "txn_id": transaction["id"],
        "applied_amount": transaction["amount"] if success else 0,
        "applied_at": transaction["date"],
        "txn_status": transaction["status"],
        "txn_date": transaction["date"],
        "txn_amount": transaction["amount"],
        "object": "linked_payment",
    }
    bill["linked_payments"] = [*bill.get("linked_payments", []), linked]
    bill["updated_at"] = transaction["date"]
    bill["resource_version"] = transaction["date"] * 1000
    if success:
        bill["status"] = "paid"
        bill["paid_at"] = transaction["date"]
        bill["amount_paid"] = bill["total"]
        bill["amount_due"] = bill["amount_to_collect"] = 0
