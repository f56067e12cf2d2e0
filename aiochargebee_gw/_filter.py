"""A filter and an order as values, and their one form on the wire. Pure; what is wrong is refused when it is made."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Any, Literal, Self, TypeAlias

import attrs
import msgspec

from ._wire.form import epoch
from .errors import RequestError

__all__ = ["OPERATORS", "Filter", "FilterRule", "Kind", "Sort", "refuse"]

Kind: TypeAlias = Literal["string", "enum", "number", "timestamp", "boolean"]

OPERATORS = ("is", "is_not", "starts_with", "in", "not_in", "is_present", "lt", "lte", "gt", "gte", "between", "after",
             "before", "on")  # fmt: skip


@attrs.frozen
class FilterRule:
    """What one list accepts for one field: its kind, its operators, and the values of an enum."""

    kind: Kind
    operators: tuple[str, ...]
    values: tuple[str, ...] = ()


@attrs.frozen
class Filter:
    """One condition. `Filter("status", "is", "active")` says in strings what a field's method says in types.

    It is checked against the list that it is used on. `pair` is what goes on the wire: `("status[is]", "active")`.
    Raises `RequestError` for an unknown operator or a value that has no wire form.
    """

    field: str
    operator: str
    value: Any
    resource: str | None = attrs.field(default=None, kw_only=True)
    kind: Kind | None = attrs.field(default=None, kw_only=True)
    text: bool = attrs.field(default=False, kw_only=True)
    """Whether `value` is a text from outside, still to be read as the field's kind."""

    def __attrs_post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise refuse(f"{self.field}: unknown operator {self.operator!r}", self.field, self.operator, OPERATORS)
        _wire(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A filter as it is written on a command line: `email[is]=a@b.example`, `created_at[after]=2024-01-31`.

        The value is read as the field's kind when the filter meets its list. Raises `RequestError` for another form.
        """
        key, separator, value = text.partition("=")
        field, opening, operator = key.rpartition("[")
        if not separator or not opening or not field or not operator.endswith("]"):
            raise refuse("a filter is written field[operator]=value", key, key, ("field[operator]=value",))
        return cls(field, operator[:-1], value, text=True)

    @property
    def pair(self) -> tuple[str, str]:
        """The query's key and value."""
        return f"{self.field}[{self.operator}]", _wire(self)

    def __repr__(self) -> str:
        # The value may be an e-mail address or a name.
        return f"Filter({self.field!r}, {self.operator!r}, ...)"


@attrs.frozen
class Sort:
    """An order: `fields.customer.created_at.asc()`. `pair` is `("sort_by[asc]", "created_at")`."""

    field: str
    direction: Literal["asc", "desc"]
    resource: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.direction not in ("asc", "desc"):
            raise refuse(f"{self.field}: unknown direction", self.field, str(self.direction), ("asc", "desc"))

    @property
    def pair(self) -> tuple[str, str]:
        """The query's key and value."""
        return f"sort_by[{self.direction}]", self.field


def _wire(given: Filter) -> str:
    operator, kind = given.operator, given.kind
    if given.text:
        return _text(given, given.value)
    if operator == "is_present":
        return _one(given, given.value, "boolean")
    if operator in ("in", "not_in"):
        return _many(given)
    if operator == "between":
        return _range(given)
    if operator == "starts_with":
        return _one(given, given.value, "string")
    if operator in ("after", "before", "on"):
        return _one(given, given.value, "timestamp", up=operator == "before")
    if operator in ("lt", "lte", "gt", "gte"):
        return _one(given, given.value, "number")
    return _one(given, given.value, kind)


def _many(given: Filter) -> str:
    values = given.value
    if isinstance(values, str | bytes) or not isinstance(values, list | tuple | set | frozenset):
        raise _wrong(given, values, "a list of values")
    if not values:
        raise refuse(
            f"{given.field}: an empty list was given; the server would leave the filter out",
            given.field, "an empty list", ("one value or more",),
        )  # fmt: skip
    return msgspec.json.encode([_one(given, value, given.kind) for value in values]).decode()


def _range(given: Filter) -> str:
    try:
        low, high = given.value
    except (TypeError, ValueError):
        raise _wrong(given, given.value, "two values") from None
    kind: Kind = "timestamp" if given.kind == "timestamp" or isinstance(low, date) else "number"
    ends = int(_one(given, low, kind)), int(_one(given, high, kind, up=True))
    if ends[0] > ends[1]:
        raise refuse(f"{given.field}: the lower end lies above the upper one", given.field, "between", ("low, high",))
    return f"[{ends[0]},{ends[1]}]"


def _one(given: Filter, value: Any, kind: Kind | None, *, up: bool = False) -> str:
    """One value as text; without a kind, the value's own type decides. With *up*, a fraction of a second is rounded up:
    what ends within a second must not lose that second's rows."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and kind in ("string", "enum", None):
        return _text(given, value)
    if isinstance(value, bool) and kind in ("boolean", None):
        return "true" if value else "false"
    if isinstance(value, int) and not isinstance(value, bool) and kind in ("number", "timestamp", None):
        if kind == "timestamp" and not 0 <= value < 10**10:
            raise _wrong(given, value, "Unix seconds, not milliseconds")
        return str(value)
    if isinstance(value, date) and kind in ("timestamp", None):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time(), tzinfo=UTC)
        return str(epoch(given.field, moment) + (1 if up and moment.microsecond else 0))
    raise _wrong(given, value, _EXPECTED.get(kind or "", "a string, a number, a boolean or an aware datetime"))


def _text(given: Filter, value: str) -> str:
    if not value:
        raise refuse(
            f"{given.field}: an empty text was given; the server would leave the filter out",
            given.field, "an empty text", ("a text",),
        )  # fmt: skip
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(given, value, "a text without lone surrogates") from None
    return value


def _wrong(given: Filter, value: Any, expected: str) -> RequestError:
    shown = type(value).__name__
    return refuse(f"{given.field}[{given.operator}]: expected {expected}, got {shown}", given.field, shown, (expected,))


def refuse(text: str, field: str, given: str, legal: tuple[str, ...], operation: str | None = None) -> RequestError:
    return RequestError(text, field=field, given=given, legal=legal, operation=operation)


_EXPECTED = {
    "string": "a string",
    "enum": "an enum member or its string",
    "number": "an integer",
    "timestamp": "an aware datetime, a date or Unix seconds",
    "boolean": "True or False",
}
