"""The payment sources that a customer has: adding, changing, choosing the primary one, taking away.

The ``card`` of a customer is its primary source where that is a card.
"""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger.sources import expired, refusal
from aiochargebee_gw.sandbox._problems import declined, wrong_value

_BRANDS = {"3": "american_express", "4": "visa", "5": "mastercard", "6": "discover"}
_CARD = (
    "first_name",
    "last_name",
    "billing_addr1",
    "billing_addr2",
    "billing_city",
    "billing_state_code",
    "billing_state",
    "billing_country",
    "billing_zip",
)


def card_of_number(desk: Desk, sent: JsonObject, param: str) -> JsonObject:
    """The card behind a number. Raises ``Problem``: 400 for no number or a past month, 402 for one that is refused."""
    number = "".join(character for character in sent["number"] if character not in " -")
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise wrong_value(f"{param}[number]" if param else "number", "card number is invalid")
    reason = refusal(number[:6], number[-4:])
    if reason is not None:
        raise declined("payment_method_verification_failed", reason.text)
    card: JsonObject = {
        **{name: sent[name] for name in _CARD if sent.get(name) is not None},
        "iin": number[:6],
        "last4": number[-4:],
        "brand": _BRANDS.get(number[:1], "other"),
        "funding_type": "credit",
        "expiry_month": sent.get("expiry_month") or 12,
        "expiry_year": sent.get("expiry_year") or 2030,
        "masked_number": f"{'*' * (len(number) - 4)}{number[-4:]}",
        "object": "card",
    }
    if not 1 <= card["expiry_month"] <= 12:
        raise wrong_value(f"{param}[expiry_month]" if param else "expiry_month", "must be between 1 and 12")
    if "expiry_year" in sent and expired(card, desk.at()):
        raise wrong_value(f"{param}[expiry_year]" if param else "expiry_year", "the card has expired")
    return card


def add(desk: Desk, customer_id: str, values: JsonObject, *, primary: bool) -> JsonObject:
    """Store a payment source; the first one of a customer is the primary one. No events."""
    values = {"id": f"pm_{desk.new_id()}", "gateway": "chargebee", "gateway_account_id": "gw_main", **values}
    values.setdefault("reference_id", f"tok_{values['id']}")
    made = desk.create("payment_source", without_nulls({**values, "customer_id": customer_id}))
    customer = desk.find("customer", customer_id)
    if primary or "primary_payment_source_id" not in customer:
        make_primary(desk, made)
    return made


def make_primary(desk: Desk, source: JsonObject) -> JsonObject:
    """Let this be the source that is charged; gives the stored customer."""
    customer = desk.find("customer", source["customer_id"])
    if customer.get("backup_payment_source_id") == source["id"]:
        del customer["backup_payment_source_id"]
    _drop_cards(desk, customer["id"])
    if source["type"] == "card":
        desk.create("card", card_row(source))
    method = {
        "type": source["type"],
        "gateway": source["gateway"],
        "gateway_account_id": source.get("gateway_account_id"),
        "status": source["status"],
        "reference_id": source["reference_id"],
        "object": "payment_method",
    }
    customer |= {
        "primary_payment_source_id": source["id"],
        "card_status": source["status"] if source["type"] == "card" else "no_card",
        "payment_method": without_nulls(method),
    }
    return desk.save("customer", customer)


def card_row(source: JsonObject) -> JsonObject:
    """A payment source as the ``card`` resource shows it."""
    card = {name: item for name, item in source["card"].items() if name not in ("object", "brand")}
    return {
        "payment_source_id": source["id"],
        "status": source["status"],
        "gateway": source["gateway"],
        "gateway_account_id": source.get("gateway_account_id"),
        **card,
        "card_type": source["card"]["brand"],
        "customer_id": source["customer_id"],
    }


def change(desk: Desk, source: JsonObject) -> JsonObject:
    """Write a changed source back, and the customer's card where it is that."""
    saved = desk.save("payment_source", source)
    customer = desk.find("customer", saved["customer_id"])
    if customer.get("primary_payment_source_id") == saved["id"]:
        make_primary(desk, saved)
    return saved


def take_away(desk: Desk, source: JsonObject) -> JsonObject:
    """Delete a source; the newest of those that are left becomes the primary one."""
    gone = desk.save("payment_source", {**source, "deleted": True})
    customer = desk.find("customer", gone["customer_id"])
    if customer.get("backup_payment_source_id") == gone["id"]:
        customer = desk.save("customer", {**customer, "backup_payment_source_id": None})
    if customer.get("primary_payment_source_id") != gone["id"]:
        return gone
    left = sources(desk, customer["id"])
    if left:
        make_primary(desk, left[-1])
    else:
        _drop_cards(desk, customer["id"])
        none = {"primary_payment_source_id": None, "payment_method": None, "card_status": "no_card"}
        desk.save("customer", {**customer, **none})
    return gone


def sources(desk: Desk, customer_id: str) -> list[JsonObject]:
    """The sources of a customer that are not deleted, oldest first."""
    return desk.store.matching("payment_source", "o.owner = ?", (customer_id,))


def _drop_cards(desk: Desk, customer_id: str) -> None:
    for card in desk.store.owned("card", customer_id):
        desk.discard("card", card)
