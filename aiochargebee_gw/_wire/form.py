"""Parameters to the pairs of a form or a query, by a description of each.

A description (`Spec`) is "str", "int", "float", "bool", "enum", "time" or "json"; `[spec]` is a list of them; a
mapping is an object. Objects become `a[b]`, lists `a[0]`, lists of objects field-first `a[b][0]`; "json" is one JSON
text; None is the empty text that clears a field; a time is an aware datetime, sent as whole seconds (Chargebee API:
requests).
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from urllib.parse import quote_plus

import msgspec

from ..errors import RequestError

__all__ = ["Pair", "Spec", "check_names", "checked", "encode", "epoch", "json_text", "query_string", "wrong"]

Spec: TypeAlias = "str | Sequence[Spec] | Mapping[str, Spec]"
Pair: TypeAlias = tuple[str, str]

_CUSTOM = "cf_"
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")


def query_string(pairs: Sequence[Pair]) -> str:
    """Pairs as `application/x-www-form-urlencoded`, UTF-8, a space as `+`."""
    return "&".join([f"{_quoted(key)}={_quoted(value)}" for key, value in pairs])


def _quoted(text: str) -> str:
    # Most names and values say the same quoted; to see that takes a third of the time.
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def encode(params: Mapping[str, Any], specs: Mapping[str, Spec], *, custom_fields: bool = False) -> list[Pair]:
    """The pairs of *params* in their order. Raises `RequestError` for an unknown name or a value of a wrong type."""
    check_names(params, specs, custom_fields=custom_fields)
    pairs: list[Pair] = []
    for name, value in params.items():
        pairs.extend(_custom(name, value) if name not in specs else _parameter(name, value, specs[name]))
    return pairs


def check_names(
    given: Mapping[str, Any], legal: Mapping[str, Any], *, within: str = "", custom_fields: bool = False
) -> None:
    """Refuse a name that the operation does not have: the server would ignore it without a word."""
    for name in given:
        if name in legal or (custom_fields and not within and name.startswith(_CUSTOM)):
            continue
        shown = f"{within}[{name}]" if within else name
        close = difflib.get_close_matches(name, legal, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        if name.startswith(_CUSTOM):
            hint = "; this operation takes no custom fields"
        raise RequestError(f"unknown parameter {shown!r}{hint}", field=shown, given=name, legal=tuple(legal))


def _parameter(name: str, value: Any, spec: Spec) -> Iterator[Pair]:
    if value is None:
        yield name, ""
    elif spec == "json":
        yield name, json_text(name, value)
    elif isinstance(spec, str):
        yield name, _scalar(name, value, spec)
    elif isinstance(spec, Mapping):
        yield from _object(name, value, spec)
    else:
        yield from _list(name, value, spec[0])


def _object(name: str, value: Any, specs: Mapping[str, Spec]) -> Iterator[Pair]:
    if not isinstance(value, Mapping):
        raise wrong(name, value, "an object")
    if not value:
        raise _empty(name)
    check_names(value, specs, within=name)
    for key, item in value.items():
        yield from _parameter(f"{name}[{key}]", item, specs[key])


def _list(name: str, value: Any, spec: Spec) -> Iterator[Pair]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise wrong(name, value, "a list")
    if not value:
        raise _empty(name)
    for number, item in enumerate(value):
        if not isinstance(spec, Mapping):
            yield from _parameter(f"{name}[{number}]", item, spec)
            continue
        if not isinstance(item, Mapping):
            raise wrong(f"{name}[{number}]", item, "an object")
        check_names(item, spec, within=name)
        for key, inner in item.items():
            yield from _parameter(f"{name}[{key}][{number}]", inner, spec[key])


def _custom(name: str, value: Any) -> Iterator[Pair]:
    if value is None:
        yield name, ""
        return
    for kinds, kind in _CUSTOM_KINDS:
        if isinstance(value, kinds):
            yield name, _scalar(name, value, kind)
            return
    raise wrong(name, value, "a string, a number, a boolean, an aware datetime or None")


def _scalar(name: str, value: Any, kind: str) -> str:
    """One value as text. Bools are not integers here, and nothing is silently turned into another kind."""
    if isinstance(value, Enum):
        value = value.value
    if kind in ("str", "enum") and isinstance(value, str):
        return checked(name, value)
    if kind == "bool" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind == "float" and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(name, value)
    if kind == "time" and isinstance(value, datetime):
        return str(epoch(name, value))
    raise wrong(name, value, _EXPECTED[kind])


def checked(name: str, text: str) -> str:
    """*text*, which has a form in UTF-8. Raises `RequestError` for half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError(f"{name}: the text holds half a surrogate pair", field=name, given="str") from None
    return text


def _number(name: str, value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise wrong(name, value, "a finite number")
    return format(Decimal(str(value)), "f")


def epoch(name: str, moment: datetime) -> int:
    """An aware datetime as whole Unix seconds, fractions cut off. Refuses a naive one: whose midnight would it be?"""
    if moment.tzinfo is None:
        raise RequestError(
            f"{name}: a naive datetime was given; give an aware one, such as datetime.now(timezone.utc)",
            field=name,
            given="naive datetime",
            legal=("aware datetime",),
        )
    return math.floor(moment.timestamp())


def json_text(name: str, value: Any) -> str:
    """*value* as one JSON text. Raises `RequestError` for what JSON cannot say, NaN among it."""
    try:
        # msgspec would write null for what is no number.
        text = json.dumps(msgspec.to_builtins(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"{name}: the value cannot be written as JSON", field=name) from error
    return checked(name, text)


def _empty(name: str) -> RequestError:
    """Nothing of it would be sent, and the server would do something else than was meant."""
    return RequestError(f"{name}: it is empty, which a form cannot say; None clears a field", field=name, given="empty")


def wrong(name: str, value: Any, expected: str) -> RequestError:
    """The error for a value of another kind than *expected*; it holds the value's type, not the value."""
    given = type(value).__name__
    return RequestError(f"{name}: expected {expected}, got {given}", field=name, given=given, legal=(expected,))


_EXPECTED = {
    "str": "a string",
    "enum": "an enum member or its string",
    "bool": "True or False",
    "int": "an integer",
    "float": "a number",
    "time": "an aware datetime",
}
_CUSTOM_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "bool"),
    (str, "str"),
    (int, "int"),
    ((float, Decimal), "float"),
    (datetime, "time"),
)
