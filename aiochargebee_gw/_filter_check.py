"""Whether a list has a filter: the server would drop one that it does not know, and answer with everything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import attrs
import msgspec

from ._filter import Filter, FilterRule, Kind, refuse

__all__ = ["check", "check_values"]

_CUSTOM_OPERATORS: dict[Kind, tuple[str, ...]] = {
    "string": ("is", "is_not", "starts_with", "in", "not_in", "is_present"),
    "number": ("is", "is_not", "lt", "lte", "gt", "gte", "between", "is_present"),
    "timestamp": ("after", "before", "on", "between", "is_present"),
    "boolean": ("is", "is_present"),
}


def check(
    given: Filter, resource: str, rules: Mapping[str, FilterRule], *, custom_fields: bool, operation: str
) -> Filter:
    """The filter as the list takes it. Raises `RequestError` naming the field, what was given and what is legal."""
    if given.resource not in (None, resource):
        shown = f"{given.resource}.{given.field}"
        raise refuse(
            f"{shown} is no field of this list, whose rows are {resource}", given.field, shown, (resource,), operation
        )
    if _CUSTOM_NAME.match(given.field) and custom_fields:
        return _custom(given, operation)
    rule = rules.get(given.field)
    if rule is None:
        legal = tuple(sorted(rules))
        close = difflib.get_close_matches(given.field, legal, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(legal) or 'none'}"
        raise refuse(f"no filter {given.field!r} on this list; {hint}", given.field, given.field, legal, operation)
    if given.operator not in rule.operators:
        raise refuse(
            f"{given.field} has no operator {given.operator!r} on this list; it has {', '.join(rule.operators)}",
            given.field, given.operator, rule.operators, operation,
        )  # fmt: skip
    typed = _typed(given, rule.kind)
    check_values(typed, rule.values, operation)
    return typed


def _typed(given: Filter, kind: Kind) -> Filter:
    value = _read(given, kind) if given.text else given.value
    return attrs.evolve(given, value=value, kind=given.kind or kind, text=False)


def _custom(given: Filter, operation: str) -> Filter:
    """A custom field's kind is known to the site alone: the operator must be one of some kind's."""
    if given.kind is not None:
        return given
    kinds: list[Kind] = [kind for kind, legal in _CUSTOM_OPERATORS.items() if given.operator in legal]
    if not kinds:
        raise refuse(f"{given.field} has no operator {given.operator!r}", given.field, given.operator, (), operation)
    return _typed(given, kinds[0]) if given.text else given


def check_values(given: Filter, values: tuple[str, ...], operation: str | None = None) -> None:
    """Refuse a text, or a member of another enum, that is no value of this one. A member that was made on purpose from
    a value not yet listed, `Status("new")`, goes through."""
    if not values or given.operator == "is_present":
        return
    listed = given.value if given.operator in ("in", "not_in") else (given.value,)
    for value in listed:
        if isinstance(value, str) and value not in values and getattr(value, "known", True):
            close = difflib.get_close_matches(value, values, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(values[:20])}"
            raise refuse(f"{given.field} has no such value; {hint}", given.field, "str", values, operation)


def _read(given: Filter, kind: Kind) -> Any:
    """The text of a command line as the value it means."""
    if given.operator == "is_present":
        return _one(given, given.value, "boolean")
    if given.operator == "starts_with":
        return given.value
    if given.operator in ("in", "not_in", "between"):
        return tuple(_one(given, item, kind) for item in _items(given.value))
    return _one(given, given.value, kind)


def _items(text: str) -> list[str]:
    """`["a","b"]`, `[a,b]` and `a,b` are one list; values with commas need the first."""
    try:
        found = msgspec.json.decode(text, type=list[str | int])
    except msgspec.DecodeError:
        if '"' in text:
            raise refuse("a list with quotes must be JSON", text, "text", ('["a","b"]',)) from None
        found = list(text.strip().removeprefix("[").removesuffix("]").split(","))
    return [str(item).strip() for item in found]


def _one(given: Filter, text: str, kind: Kind) -> Any:
    if kind in ("string", "enum"):
        return text
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in ("number", "timestamp") and _INTEGER.match(text):
        return int(text)
    if kind == "timestamp" and (moment := _moment(text)) is not None:
        return moment
    raise refuse(f"{given.field}: expected {_SHOWN[kind]}", given.field, "text", (_SHOWN[kind],))


def _moment(text: str) -> datetime | date | None:
    """An ISO date, or an ISO datetime with its offset."""
    if _DATE.match(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_CUSTOM_NAME = re.compile(r"cf_\w+\Z", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,18}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_SHOWN: dict[str, str] = {
    "number": "a whole number",
    "timestamp": "Unix seconds, a date (2024-01-31) or a time with its offset (2024-01-31T08:00:00Z)",
    "boolean": "true or false",
}
