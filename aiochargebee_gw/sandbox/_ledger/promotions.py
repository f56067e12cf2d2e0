"""Promotional credits: each change is a row of its own, the balance stands on the customer."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger.balances import balance, shift


def change(
    desk: Desk,
    customer_id: str,
    currency: str,
    delta: int,
    description: str,
    *,
    credit_type: str = "general",
    reference: str | None = None,
) -> JsonObject:
    """Add (``delta`` above 0) or deduct promotional credits, with their event."""
    closing = balance(desk, customer_id, currency, "promotional_credits") + delta
    values: JsonObject = {
        "id": f"pc_{desk.new_id()}",
        "customer_id": customer_id,
        "type": "increment" if delta > 0 else "decrement",
        "amount": abs(delta),
        "currency_code": currency,
        "description": description,
        "credit_type": credit_type,
        "reference": reference,
        "closing_balance": closing,
    }
    made = desk.create("promotional_credit", without_nulls(values))
    customer = shift(desk, customer_id, currency, "promotional_credits", delta)
    event = "promotional_credits_added" if delta > 0 else "promotional_credits_deducted"
    desk.emit(event, {"customer": customer, "promotional_credit": made})
    return made
