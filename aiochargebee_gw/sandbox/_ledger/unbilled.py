"""Unbilled charges: what a subscription owes and no invoice has yet."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger.balances import shift

_OPEN = "o.sub = ? AND json_extract(o.body, '$.is_voided') = 0"


def add(desk: Desk, value: JsonObject, lines: Sequence[Line]) -> list[JsonObject]:
    """Store lines as unbilled charges of a subscription, with their event."""
    made = [desk.create("unbilled_charge", _charge(desk, value, line)) for line in lines]
    total = sum(row["amount"] for row in made)
    customer = shift(desk, value["customer_id"], value["currency_code"], "unbilled_charges", total)
    if made:
        customer = customer or desk.find("customer", value["customer_id"])
        desk.emit("unbilled_charges_created", {"unbilled_charges": made, "customer": customer, "subscription": value})
    return made


def _charge(desk: Desk, value: JsonObject, line: Line) -> JsonObject:
    row: JsonObject = {
        "id": f"uc_{desk.new_id()}",
        "customer_id": value["customer_id"],
        "subscription_id": value["id"],
        "date_from": line.date_from,
        "date_to": line.date_to,
        "unit_amount": line.unit_amount,
        "pricing_model": line.pricing_model,
        "quantity": line.quantity,
        "amount": line.amount,
        "currency_code": value["currency_code"],
        "discount_amount": 0,
        "description": line.description,
        "entity_type": line.entity_type,
        "entity_id": line.entity_id,
    }
    return without_nulls(row)


def open_charges(desk: Desk, subscription_id: str) -> list[JsonObject]:
    """The unbilled charges of a subscription, oldest first."""
    return desk.store.matching("unbilled_charge", _OPEN, (subscription_id,))


def take(desk: Desk, value: JsonObject) -> list[Line]:
    """The unbilled charges of a subscription as lines; they are charges no longer."""
    customer = desk.find("customer", value["customer_id"])
    if not any(row["unbilled_charges"] for row in customer.get("balances", [])):
        return []
    rows = open_charges(desk, value["id"])
    for row in rows:
        desk.discard("unbilled_charge", row)
    total = sum(row["amount"] for row in rows)
    customer = shift(desk, value["customer_id"], value["currency_code"], "unbilled_charges", -total)
    if rows:
        desk.emit("unbilled_charges_invoiced", {"unbilled_charges": rows, "customer": customer, "subscription": value})
    return [_line(row) for row in rows]


def _line(row: JsonObject) -> Line:
    return Line(
        entity_type=row["entity_type"],
        entity_id=row.get("entity_id"),
        description=row["description"],
        amount=row["amount"],
        unit_amount=row["unit_amount"],
        quantity=row["quantity"],
        date_from=row["date_from"],
        date_to=row["date_to"],
        pricing_model=row["pricing_model"],
        subscription_id=row["subscription_id"],
    )


def drop(desk: Desk, row: JsonObject) -> JsonObject:
    """Delete an unbilled charge, with its event; gives it as it is now."""
    desk.discard("unbilled_charge", row)
    customer = shift(desk, row["customer_id"], row["currency_code"], "unbilled_charges", -row["amount"])
    gone = {**row, "deleted": True}
    desk.emit("unbilled_charges_deleted", {"unbilled_charges": [gone], "customer": customer})
    return gone
