"""The lines of a credit note: a part of the lines of an invoice, with the same tax."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw.sandbox._billing.amounts import share, spread
from aiochargebee_gw.sandbox._billing.lines import TAX_NAME, tax_row
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls


def gross(row: JsonObject) -> int:
    """What a line item costs with its discount and tax."""
    return int(row["amount"] - row.get("discount_amount", 0) + row.get("tax_amount", 0))


def part_of_invoice(id: str, bill: JsonObject, total: int) -> JsonObject:
    """Lines, taxes and sums of a credit note over ``total``, spread over the lines of an invoice."""
    rows = bill.get("line_items", [])
    return part_of_lines(id, rows, spread(total, [gross(row) for row in rows]), total)


def unused_gross(row: JsonObject, at: int) -> int:
    """The part of a line item's price for the time after ``at``."""
    start, end = row["date_from"], row["date_to"]
    return share(gross(row), max(0, end - max(at, start)), end - start) if end > start else 0


def part_of_lines(id: str, rows: Sequence[JsonObject], parts: Sequence[int], total: int) -> JsonObject:
    """Lines, taxes and sums of a credit note that credits ``parts`` (with tax) of these line items."""
    found = [
        _line(f"li_{id}_{at + 1}", row, part)
        for at, (row, part) in enumerate(zip(rows, parts, strict=True))
        if part or len(rows) == 1
    ]
    # An invoice of nothing has no lines to bear an amount: what is left stands alone.
    left = total - sum(row["amount"] + row["tax_amount"] for row in found)
    if left:
        found.append(_plain(f"li_{id}_{len(found) + 1}", rows, left))
    taxed = [row for row in found if row["tax_amount"]]
    tax = sum(row["tax_amount"] for row in taxed)
    value: JsonObject = {
        "line_items": found,
        "line_item_taxes": [_row_tax(row) for row in taxed] or None,
        "taxes": [tax_row(taxed[0]["tax_rate"], tax)] if taxed else None,
        "sub_total": sum(row["amount"] for row in found),
        "total": total,
    }
    return without_nulls(value)


def _line(id: str, row: JsonObject, part: int) -> JsonObject:
    whole = gross(row)
    tax = share(row.get("tax_amount", 0), part, whole) if whole else 0
    return {
        **{name: item for name, item in row.items() if name not in ("proration_mode",)},
        "id": id,
        "unit_amount": part - tax,
        "quantity": 1,
        "amount": part - tax,
        "pricing_model": "flat_fee",
        "tax_amount": tax,
        "discount_amount": 0,
        "item_level_discount_amount": 0,
        "reference_line_item_id": row["id"],
    }


def _plain(id: str, rows: Sequence[JsonObject], amount: int) -> JsonObject:
    since = rows[0]["date_from"] if rows else 0
    return {
        "id": id,
        "date_from": since,
        "date_to": since,
        "unit_amount": amount,
        "quantity": 1,
        "amount": amount,
        "pricing_model": "flat_fee",
        "is_taxed": False,
        "tax_amount": 0,
        "discount_amount": 0,
        "item_level_discount_amount": 0,
        "description": "Credit",
        "entity_type": "adhoc",
        "object": "line_item",
    }


def _row_tax(row: JsonObject) -> JsonObject:
    return {
        "line_item_id": row["id"],
        "tax_name": TAX_NAME,
        "tax_rate": row.get("tax_rate", 0.0),
        "is_partial_tax_applied": False,
        "is_non_compliance_tax": False,
        "taxable_amount": row["amount"],
        "tax_amount": row["tax_amount"],
        "object": "line_item_tax",
    }
