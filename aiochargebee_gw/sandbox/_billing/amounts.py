"""Amounts in the currency's minor unit: prices by pricing model, shares that add up, tax rates."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject

MONTHS = {"month": 1, "year": 12}
_RATES = {"NO": 25.0, "DE": 19.0, "FR": 20.0, "GB": 20.0, "JP": 10.0}
_STATE_RATES = {("US", "TX"): 8.25}


@frozen
class Price:
    """What one line costs."""

    unit_amount: int
    amount: int


def price_of(priced: JsonObject, quantity: int, unit_price: int | None = None) -> Price:
    """The price of ``quantity`` units of an item price, plan or addon; ``unit_price`` replaces the listed one.

    *flat_fee*: once whatever the quantity. *per_unit*: each. *volume*: each at the price of the tier that the whole
    quantity falls into. *stairstep*: that tier's price once. *tiered*: each unit at the price of its own tier.
    """
    model = priced.get("pricing_model", "per_unit")
    charged = max(0, quantity - priced.get("free_quantity", 0))
    if unit_price is None and model == "tiered":
        amount = _tiered(priced.get("tiers", ()), charged)
        return Price(amount // charged if charged else 0, amount)
    each = _listed(priced, charged) if unit_price is None else unit_price
    return Price(each, each if model in ("flat_fee", "stairstep") else charged * each)


def _listed(priced: JsonObject, quantity: int) -> int:
    tiers = priced.get("tiers") or ()
    if "price" in priced or not tiers:
        return int(priced.get("price", 0))
    fitting = [tier for tier in tiers if tier["starting_unit"] <= max(quantity, 1)]
    return int((fitting or tiers)[-1]["price"])


def _tiered(tiers: Sequence[JsonObject], quantity: int) -> int:
    total = 0
    for tier in tiers:
        end = min(quantity, tier.get("ending_unit", quantity))
        total += max(0, end - tier["starting_unit"] + 1) * int(tier["price"])
    return total


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """``amount`` in whole parts that add up to it, as near to the weights as can be; the largest rests get the rest."""
    whole = sum(weights)
    if whole <= 0:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    rests = sorted(range(len(weights)), key=lambda at: (-(amount * weights[at] % whole), at))
    for at in rests[: amount - sum(parts)]:
        parts[at] += 1
    return parts


def share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, to the nearest unit, halves up."""
    return (2 * amount * part + whole) // (2 * whole) if whole else 0


def percent(amount: int, rate: float) -> int:
    """A percentage of an amount, to the nearest unit."""
    return round(amount * rate / 100)


def tax_rate(customer: JsonObject) -> float:
    """The one tax of a customer in percent: by country and state of the billing address, 0 where none is levied."""
    if customer.get("taxability", "taxable") != "taxable":
        return 0.0
    address = customer.get("billing_address", {})
    country, state = address.get("country", ""), address.get("state_code", "")
    return _STATE_RATES.get((country, state), _RATES.get(country, 0.0))


def monthly(amount: int, period: int, unit: str) -> int:
    """What a price of one term is in a month, for ``mrr``: a year has 12 months, a month 30 days."""
    if unit in MONTHS:
        return amount // (period * MONTHS[unit])
    return amount * 30 // (period * (7 if unit == "week" else 1))
