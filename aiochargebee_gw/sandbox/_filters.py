"""Filters: ``field[operator]=value`` compiled to SQL with bound parameters.

Operators by type (https://apidocs.chargebee.com/docs/api/list-ops): *string* ``is is_not starts_with in
not_in is_present``, *enum* the same without ``starts_with``, *number* ``is is_not lt lte gt gte between
is_present``, *timestamp* ``after before on between is_present``, *boolean* ``is is_present``. ``after`` and
``before`` are strict, ``between`` includes both ends, ``on`` means the same UTC day: the vendor does not say.
A row without the attribute matches nothing but ``is_present=false``: measured for ``updated_at``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve, frozen

from aiochargebee_gw.sandbox import _values
from aiochargebee_gw.sandbox._kinds import MISSING
from aiochargebee_gw.sandbox._problems import wrong_format, wrong_value
from aiochargebee_gw.sandbox._store import Value

_T = TypeVar("_T")
DAY = 86_400
_COMPARE = {"is": "=", "is_not": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "after": ">", "before": "<"}
_NEGATED = {"is_not": "is", "not_in": "in"}
NATURAL = {
    "string": ("is", "is_not", "starts_with", "in", "not_in", "is_present"),
    "enum": ("is", "is_not", "in", "not_in", "is_present"),
    "number": ("is", "is_not", "lt", "lte", "gt", "gte", "between", "is_present"),
    "timestamp": ("after", "before", "on", "between", "is_present"),
    "boolean": ("is", "is_present"),
}


@frozen
class Sql:
    """A condition and its bound parameters; ``narrow`` says that an index finds its few rows at once."""

    text: str
    values: tuple[Value, ...] = ()
    narrow: bool = False


@frozen
class Field:
    """One filterable field of one list: its type, legal operators and, for enums, the known values.

    ``expression`` is SQL that gives the attribute or NULL; ``sentinel`` marks a sort column that holds
    ``MISSING`` instead of NULL; ``member`` wraps the condition for a field that looks into an array;
    ``indexed`` says that an index answers equality.
    """

    type: str
    operators: tuple[str, ...]
    expression: str
    values: tuple[str, ...] = ()
    sentinel: bool = False
    member: str = ""
    bound: tuple[Value, ...] = ()
    indexed: bool = False


def compile_filter(field: Field, operator: str, text: str, param: str) -> Sql:
    """The condition for one filter; raises ``Problem`` (400) for a value that the field cannot have."""
    if operator == "is_present":
        present = _read(_values.boolean, text, param)
        return Sql(f"{field.expression} IS {'NOT ' if present else ''}NULL", field.bound)
    if field.type == "none":
        _read(_values.boolean, text, param)
        return Sql("1")
    if field.member and operator in _NEGATED:
        inner = _condition(field, _NEGATED[operator], text, param)
        return Sql(f"NOT {field.member.format(inner.text)}", inner.values)
    found = _condition(field, operator, text, param)
    if field.member:
        return Sql(field.member.format(found.text), found.values)
    if field.sentinel:
        return Sql(f"({found.text} AND {field.expression} <> {MISSING})", found.values)
    return evolve(found, narrow=field.indexed and operator in ("is", "in"))


def _condition(field: Field, operator: str, text: str, param: str) -> Sql:
    expression, bound = field.expression, field.bound
    read = _reader(field, param)
    if operator in ("in", "not_in"):
        members = [read(item) for item in _read(_values.items, text, param)]
        marks = ", ".join("?" * len(members))
        return Sql(f"{expression} {'NOT ' if operator == 'not_in' else ''}IN ({marks})", (*bound, *members))
    if operator == "between":
        low, high = _read(_values.pair, text, param)
        return Sql(f"{expression} >= ? AND {expression} <= ?", (*bound, read(low), *bound, read(high)))
    if operator == "on":
        day = int(_read(_values.timestamp, text, param)) // DAY * DAY
        return Sql(f"{expression} >= ? AND {expression} <= ?", (*bound, day, *bound, day + DAY - 1))
    if operator == "starts_with":
        prefix = read(text)
        return Sql(f"substr({expression}, 1, length(?)) = ?", (*bound, prefix, prefix))
    return Sql(f"{expression} {_COMPARE[operator]} ?", (*bound, read(text)))


def _reader(field: Field, param: str) -> Callable[[str], Value]:
    simple: dict[str, Callable[[str], Value]] = {
        "number": _values.integer,
        "timestamp": _values.timestamp,
        "boolean": lambda text: int(_values.boolean(text)),
    }
    if field.type in simple:
        convert = simple[field.type]
        return lambda text: _read(convert, text, param)
    if field.type == "enum" and field.values:
        return lambda text: _enum(field.values, text, param)
    return lambda text: _text(text, param)


def _read(convert: Callable[[str], _T], text: str, param: str) -> _T:
    try:
        return convert(text)
    except ValueError as error:
        raise wrong_format(param, str(error)) from error


def _enum(values: Sequence[str], text: str, param: str) -> str:
    if text not in values:
        raise wrong_value(param, f"invalid value {text!r}")
    return text


def _text(text: str, param: str) -> str:
    if not text:
        raise wrong_value(param, "cannot be blank")
    return text
