"""What a customer has: promotional and refundable credits, excess payments, unbilled charges, by currency."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject

NAMES = ("promotional_credits", "excess_payments", "refundable_credits", "unbilled_charges")


def balance(desk: Desk, customer_id: str, currency: str, name: str) -> int:
    """One balance in the currency's minor unit."""
    return int(_entry(desk.find("customer", customer_id), currency).get(name, 0))


def shift(desk: Desk, customer_id: str, currency: str, name: str, delta: int) -> JsonObject:
    """Add to a balance (the top-level attribute is that of the preferred currency) and give the stored customer."""
    customer = desk.store.get("customer", customer_id)
    if customer is None or delta == 0:
        return customer or {}
    entry = dict(_entry(customer, currency))
    entry[name] += delta
    others = [row for row in customer.get("balances", []) if row["currency_code"] != currency]
    customer["balances"] = [*others, entry]
    if customer.get("preferred_currency_code", currency) == currency:
        customer[name] = entry[name]
    return desk.save("customer", customer)


def _entry(customer: JsonObject, currency: str) -> JsonObject:
    for row in customer.get("balances", []):
        if row["currency_code"] == currency:
            return dict(row)
    own = customer.get("preferred_currency_code", currency) == currency
    amounts = {name: customer.get(name, 0) if own else 0 for name in NAMES}
    codes = {"currency_code": currency, "balance_currency_code": currency}
    return {**amounts, **codes, "object": "customer_balance"}
