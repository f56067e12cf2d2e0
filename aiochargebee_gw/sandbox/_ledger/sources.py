"""Payment sources and what a payment gateway makes of them.

Which card numbers fail is the sandbox's own table, after Stripe's test cards (https://docs.stripe.com/testing): numbers
are not kept, so a source is known by the first six and the last four digits. Every other number is charged.
"""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import frozen

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject

_REFUSED = {
    ("400000", "0002"): ("card_declined", "Your card was declined."),
    ("400000", "9995"): ("insufficient_funds", "Your card has insufficient funds."),
    ("400000", "9987"): ("lost_card", "Your card was declined."),
}
"""Not even stored."""
_FAILING = {("400000", "0341"): ("card_declined", "Your card was declined.")}
"""Stored, but every charge fails."""


@frozen
class Decline:
    """Why a gateway refuses: its code and its sentence."""

    code: str
    text: str


@frozen
class Source:
    """What can be charged; ``card`` holds what transactions show of a card."""

    id: str
    method: str
    gateway: str
    gateway_account_id: str | None
    card: JsonObject

    def decline(self, at: int) -> Decline | None:
        """Why a charge fails, None where it succeeds."""
        key = self.card.get("iin", ""), self.card.get("last4", "")
        found = _REFUSED.get(key) or _FAILING.get(key)
        if found is not None:
            return Decline(*found)
        return Decline("expired_card", "Your card has expired.") if expired(self.card, at) else None


def refusal(iin: str, last4: str) -> Decline | None:
    """Why a card cannot be stored at all."""
    found = _REFUSED.get((iin, last4))
    return None if found is None else Decline(*found)


def expired(card: JsonObject, at: int) -> bool:
    """Whether a card's last month is over."""
    if "expiry_year" not in card:
        return False
    now = datetime.fromtimestamp(at, UTC)
    return (card["expiry_year"], card.get("expiry_month", 12)) < (now.year, now.month)


def source_of(desk: Desk, customer: JsonObject, wanted: str | None = None) -> Source | None:
    """The source that is charged: the one that is named, else the customer's primary one, else a card."""
    id = wanted or customer.get("primary_payment_source_id")
    row = desk.store.get("payment_source", id) if id else None
    if row is not None and not row["deleted"] and row["customer_id"] == customer["id"]:
        return _from_source(row)
    card = desk.store.get("card", id) if id else desk.card_of(customer["id"])
    return None if card is None or card["customer_id"] != customer["id"] else _from_card(card)


def _from_source(row: JsonObject) -> Source:
    if row["type"] == "card":
        return Source(row["id"], "card", row["gateway"], row.get("gateway_account_id"), row["card"])
    return Source(row["id"], row["type"], row["gateway"], row.get("gateway_account_id"), {})


def _from_card(row: JsonObject) -> Source:
    return Source(row["payment_source_id"], "card", row["gateway"], row.get("gateway_account_id"), row)
