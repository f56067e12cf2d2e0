"""Objects made by description: what was given where it fits, plausible values where an attribute must be there."""

from __future__ import annotations

import re

from aiochargebee_gw.sandbox._catalogue import Shape, describe, whole
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_DECIMAL = re.compile(r"(amount|balance|quantity|price|value|decimal|limit)$")
_TEXTS = {"currency_code": "USD", "email": "someone@example.com", "api_version": "v2", "country": "US"}
_NUMBERS = {"quantity": 1, "period": 1, "expiry_month": 12, "expiry_year": 2030}
_ALWAYS = ("id", "status", "created_at", "updated_at", "resource_version", "deleted")
"""Attributes that every resource gets which has them, required or not."""


def object_name(record: str) -> str:
    """What ``object`` says: ``customer.BillingAddress`` gives ``billing_address``."""
    return _CAPITAL.sub("_", record.partition(".")[2]).lower()


def made(desk: Desk, resource: str, given: JsonObject) -> JsonObject:
    """A whole resource: *given* where it fits, required attributes made up, no nulls."""
    value = _made(desk, whole(resource), given)
    for name in _ALWAYS:
        shape = describe().attributes(resource).get(name)
        if shape is not None and name not in value:
            value[name] = plausible(desk, name, shape)
    return value


def fitting(resource: str, given: JsonObject) -> JsonObject:
    """The part of *given* that is attributes of a resource, each in its type; None marks what is to be cleared."""
    found: JsonObject = {}
    for name, shape in describe().attributes(resource).items():
        if name in given:
            fits, value = _fit(None, shape, given[name])
            if fits or given[name] is None:
                found[name] = value if fits else None
    return {**found, **{name: value for name, value in given.items() if name.startswith("cf_")}}


def complete(desk: Desk, resource: str, value: JsonObject) -> JsonObject:
    """A copy whose nested objects have all that they must have."""
    return _made(desk, whole(resource), value)


def plausible(desk: Desk, name: str, shape: Shape) -> object:
    """A value of an attribute's type, by its name where that says more."""
    match shape.kind:
        case "object" if shape.record:
            return _made(desk, shape.record, {})
        case "object" | "json":
            return {}
        case "list" | "json_list":
            return []
        case "bool":
            return False
        case "float":
            return 0.0
        case "timestamp":
            return desk.at()
        case "int":
            return int(desk.now() * 1000) if name == "resource_version" else _NUMBERS.get(name, 0)
    return _text(desk, name, shape)


def _text(desk: Desk, name: str, shape: Shape) -> str:
    options = describe().options(shape.values)
    if options:
        return "active" if "active" in options else options[0]
    if name in _TEXTS:
        return _TEXTS[name]
    if name == "id" or name.endswith("_id"):
        return desk.new_id()
    if "url" in name:
        return f"{desk.origin()}/pages/v3/{desk.new_id()}"
    return "0" if _DECIMAL.search(name) else name.replace("_", " ").capitalize()


def _made(desk: Desk, record: str, given: JsonObject) -> JsonObject:
    value: JsonObject = {}
    for name, shape in describe().records[record].items():
        fits, own = _fit(desk, shape, given[name]) if given.get(name) is not None else (False, None)
        if fits:
            value[name] = own
        elif shape.required:
            value[name] = plausible(desk, name, shape)
    custom = {name: own for name, own in given.items() if name.startswith("cf_") and own is not None}
    return {**value, **custom, "object": object_name(record)}


def _fit(desk: Desk | None, shape: Shape, value: object) -> tuple[bool, object]:
    """Whether a value has the type of an attribute, and the value; with a desk, objects in it are made whole."""
    options = describe().options(shape.values)
    if options:
        return value in options, value
    match shape.kind, value:
        case "str", str():
            return True, value
        case (("int" | "timestamp"), int()) if not isinstance(value, bool):
            return True, value
        case "float", int() | float() if not isinstance(value, bool):
            return True, value
        case "bool", bool():
            return True, value
        case "json", _:
            return value is not None, value
        case "object", dict():
            return True, value if desk is None or shape.record is None else _made(desk, shape.record, value)
        case "list", list() if shape.item is not None:
            fitted = [_fit(desk, shape.item, item) for item in value]
            return all(fits for fits, _ in fitted), [own for _, own in fitted]
    return False, None
