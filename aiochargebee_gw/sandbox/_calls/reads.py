"""Retrieving one row: the row, and what Chargebee sends beside it."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import not_found


def customer(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /customers/{id}``: the customer, and the card when there is one."""
    return with_card(desk, {"customer": desk.find("customer", id)}, id)


def subscription(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /subscriptions/{id}``: the subscription, its customer, the card when there is one."""
    value = desk.find("subscription", id)
    return beside_subscription(desk, value)


def card(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /cards/{id}``, by the payment source's id or the customer's."""
    value = desk.store.get("card", id) or desk.card_of(id)
    owner = desk.store.get("customer", value["customer_id"]) if value is not None else None
    if value is None or (owner is not None and owner.get("deleted") is True):
        raise not_found("card", id)
    return {"card": value}


def plain(desk: Desk, call: Call, id: str) -> JsonObject:
    """``GET /<plural>/{id}`` of a resource that comes alone."""
    kind = KINDS_BY_PATH[call.segments[0]]
    return {kind: desk.find(kind, id)}


KINDS_BY_PATH = {
    "invoices": "invoice",
    "transactions": "transaction",
    "items": "item",
    "item_prices": "item_price",
    "item_families": "item_family",
    "plans": "plan",
    "events": "event",
    "webhook_endpoints": "webhook_endpoint",
    "hosted_pages": "hosted_page",
    "portal_sessions": "portal_session",
}


def with_card(desk: Desk, answer: JsonObject, customer_id: str) -> JsonObject:
    """The answer, with ``card`` when the customer has one."""
    found = desk.card_of(customer_id)
    if found is not None:
        answer["card"] = found
    return answer


def beside_subscription(desk: Desk, value: JsonObject, invoice: JsonObject | None = None) -> JsonObject:
    """``subscription``, ``customer``, ``card`` and ``invoice`` as subscription calls answer."""
    owner = value["customer_id"]
    answer: JsonObject = {"subscription": value}
    customer = desk.store.get("customer", owner)
    if customer is not None:
        answer["customer"] = customer
    with_card(desk, answer, owner)
    if invoice is not None:
        answer["invoice"] = invoice
    return answer
