"""What the SDK does not tell of a new field, by its name: each guess is reported, and an override can correct it."""

from __future__ import annotations

import re
from collections.abc import Container

from .names import camel

__all__ = ["enum_of", "is_milliseconds", "is_timestamp"]

# Holds for all integers that the public v1 OpenAPI file calls `unix-time`, and for no other but the exceptions.
_TIMESTAMP = re.compile(r"(^|_)(at|on|date|start|end|time|timestamp|from|to|since|till|on_after)$")
_MILLISECONDS = frozenset(("resource_version", "usage_timestamp"))
_NUMBERS = frozenset(("billing_date", "billing_month"))


def is_timestamp(name: str) -> bool:
    """Whether an integer of that name is a time in whole seconds."""
    return bool(_TIMESTAMP.search(name)) and name not in _NUMBERS | _MILLISECONDS


def is_milliseconds(name: str) -> bool:
    """Whether an integer of that name counts milliseconds."""
    return name in _MILLISECONDS


def enum_of(cls: str, name: str, known: Container[str]) -> str | None:
    """The enum that a text attribute of the record *cls* is named after: its own (`Customer.Channel`) or a global."""
    return next((each for each in (f"{cls}.{camel(name)}", camel(name)) if each in known), None)
