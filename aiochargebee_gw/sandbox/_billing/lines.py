"""Lines of invoices and credit notes with their discounts and taxes; what they hold adds up."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from aiochargebee_gw.sandbox._billing.amounts import percent, spread, tax_rate
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls

TAX_NAME = "VAT"


@frozen(kw_only=True)
class Line:
    """One line before discounts and tax; times are Unix seconds."""

    entity_type: str
    description: str
    amount: int
    unit_amount: int
    date_from: int
    date_to: int
    quantity: int = 1
    entity_id: str | None = None
    pricing_model: str = "flat_fee"
    taxable: bool = True
    subscription_id: str | None = None
    prorated: bool = False

    def charged(self, amount: int) -> Line:
        """The same line at another amount."""
        return evolve(self, amount=amount)


@frozen(kw_only=True)
class Discount:
    """A discount on a document: ``shares`` says how much of it each line bears."""

    entity_type: str
    entity_id: str
    description: str
    discount_type: str
    shares: tuple[int, ...]

    @property
    def amount(self) -> int:
        """The whole of it."""
        return sum(self.shares)


def discounts(lines: Sequence[Line], terms: Sequence[JsonObject]) -> list[Discount]:
    """The discounts that coupons and manual discounts give on these lines; no line is discounted below nothing.

    A term has ``entity_type``, ``entity_id``, ``description``, ``percentage`` or ``amount``, and ``only``: the ids
    that it is for, None for the whole document.
    """
    left = [line.amount for line in lines]
    found: list[Discount] = []
    for term in terms:
        open_ = [
            rest if term.get("only") is None or line.entity_id in term["only"] else 0
            for line, rest in zip(lines, left, strict=True)
        ]
        shares = _shares(term, open_)
        if sum(shares):
            left = [rest - part for rest, part in zip(left, shares, strict=True)]
            kind = "percentage" if term.get("percentage") else "fixed_amount"
            found.append(
                Discount(
                    entity_type=term["entity_type"],
                    entity_id=term["entity_id"],
                    description=term["description"],
                    discount_type=kind,
                    shares=tuple(shares),
                )
            )
    return found


def _shares(term: JsonObject, open_: list[int]) -> list[int]:
    whole = sum(open_)
    wanted = percent(whole, term["percentage"]) if term.get("percentage") else int(term.get("amount") or 0)
    return spread(min(wanted, whole), open_)


def document(id: str, customer: JsonObject, lines: Sequence[Line], given: Sequence[Discount]) -> JsonObject:
    """``line_items``, their discounts and taxes, and the sums of an invoice: ``sub_total``, ``tax``, ``total``."""
    rate = tax_rate(customer)
    rows = [_row(f"li_{id}_{at + 1}", customer, line, given, at, rate) for at, line in enumerate(lines)]
    taxes = [_row_tax(customer, row) for row in rows if row["is_taxed"]]
    row_discounts = [
        _row_discount(row["id"], discount, share)
        for discount in given
        for row, share in zip(rows, discount.shares, strict=True)
        if share
    ]
    tax = sum(row["tax_amount"] for row in rows)
    value: JsonObject = {
        "line_items": rows,
        "line_item_discounts": row_discounts or None,
        "line_item_taxes": taxes or None,
        "discounts": [_whole_discount(discount) for discount in given] or None,
        "taxes": [tax_row(rate, tax)] if taxes else None,
        "tax": tax,
        "sub_total": sum(row["amount"] for row in rows),
    }
    value["total"] = value["sub_total"] - sum(discount.amount for discount in given) + tax
    return without_nulls(value)


def _row(id: str, customer: JsonObject, line: Line, given: Sequence[Discount], at: int, rate: float) -> JsonObject:
    discount = sum(one.shares[at] for one in given)
    taxed = rate > 0 and line.taxable
    reason = None if taxed else _untaxed(customer, line, rate)
    value: JsonObject = {
        "id": id,
        "subscription_id": line.subscription_id,
        "date_from": line.date_from,
        "date_to": line.date_to,
        "unit_amount": line.unit_amount,
        "quantity": line.quantity,
        "amount": line.amount,
        "pricing_model": line.pricing_model,
        "is_taxed": taxed,
        "tax_amount": percent(line.amount - discount, rate) if taxed else 0,
        "tax_rate": rate if taxed else None,
        "discount_amount": discount,
        "item_level_discount_amount": sum(one.shares[at] for one in given if one.entity_type.startswith("item_")),
        "description": line.description,
        "entity_type": line.entity_type,
        "tax_exempt_reason": reason,
        "entity_id": line.entity_id,
        "customer_id": customer["id"],
        "proration_mode": "delta" if line.prorated else None,
        "object": "line_item",
    }
    return without_nulls(value)


def _untaxed(customer: JsonObject, line: Line, rate: float) -> str:
    if customer.get("taxability") == "exempt":
        return "customer_exempt"
    return "product_exempt" if rate > 0 and not line.taxable else "tax_not_configured"


def _row_tax(customer: JsonObject, row: JsonObject) -> JsonObject:
    return {
        "line_item_id": row["id"],
        "tax_name": TAX_NAME,
        "tax_rate": row["tax_rate"],
        "is_partial_tax_applied": False,
        "is_non_compliance_tax": False,
        "taxable_amount": row["amount"] - row["discount_amount"],
        "tax_amount": row["tax_amount"],
        "tax_juris_type": "country",
        "tax_juris_name": customer["billing_address"]["country"],
        "object": "line_item_tax",
    }


def tax_row(rate: float, amount: int) -> JsonObject:
    """The sum of a tax on a document."""
    return {"name": TAX_NAME, "amount": amount, "description": f"{TAX_NAME} @ {rate:g}%", "object": "tax"}


def _row_discount(line_item_id: str, discount: Discount, share: int) -> JsonObject:
    coupon = discount.entity_id if discount.entity_type.endswith("coupon") else None
    value = {
        "line_item_id": line_item_id,
        "discount_type": discount.entity_type,
        "coupon_id": coupon,
        "entity_id": discount.entity_id,
        "discount_amount": share,
        "object": "line_item_discount",
    }
    return without_nulls(value)


def _whole_discount(discount: Discount) -> JsonObject:
    return {
        "amount": discount.amount,
        "description": discount.description,
        "entity_type": discount.entity_type,
        "discount_type": discount.discount_type,
        "entity_id": discount.entity_id,
        "object": "discount",
    }
