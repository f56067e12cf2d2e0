"""Answers made up from the catalogue: what a server may legally send for a record."""

from __future__ import annotations

from typing import Any

from .catalogue import documents, shared

MOMENT = 1_700_000_000


def sample(resource: str, cls: str | None = None, *, optional: bool = True, depth: int = 0) -> dict[str, Any]:
    """An object of the API as JSON values, with its optional attributes or without."""
    document = documents()[resource]
    fields = document["fields"] if cls in (None, document["class"]) else document["sub_resources"][cls]
    made = {
        name: _value(told, optional=optional, depth=depth)
        for name, told in fields.items()
        if told.get("required") or (optional and depth < 4)
    }
    return {**made, "object": resource}


def _value(told: dict[str, Any], *, optional: bool, depth: int) -> Any:
    kind = told["type"]
    if kind == "list":
        return [_value(told["items"] | ({"enum": told["enum"]} if "enum" in told else {}), optional=optional,
                       depth=depth)]  # fmt: skip
    if kind == "object":
        resource, _, cls = told["ref"].partition(".")
        return sample(resource, cls, optional=optional, depth=depth + 1)
    if told.get("values"):
        return told["values"][0]
    if told.get("enum"):
        return _first(told["enum"])
    plain = {"str": "text", "int": 7, "float": 1.5, "bool": True, "timestamp": MOMENT, "json": {"any": [1, None]}}
    return plain[kind]


def _first(enum: str) -> Any:
    if "." not in enum:
        return shared()["enums"][enum][0]
    cls, _, name = enum.partition(".")
    values = [document["enums"][name] for document in documents().values() if document["class"] == cls]
    return values[0][0]
