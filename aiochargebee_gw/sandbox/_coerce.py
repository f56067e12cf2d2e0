"""Form parameters → typed values by schema, with Chargebee's errors.

A blank value (``company=``) becomes None: it clears the attribute on update and counts as absent elsewhere.
``param`` in an error uses the request's own spelling, ``subscription_items[item_price_id][0]``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable

from aiochargebee_gw.sandbox import _values
from aiochargebee_gw.sandbox._custom_fields import read_custom
from aiochargebee_gw.sandbox._form import Pair, split_key
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._params import Param, Schema
from aiochargebee_gw.sandbox._problems import missing, unknown_param, wrong_format, wrong_value

MAX_INDEX = 999
_LENGTHS = {"id": 50, "email": 70}


def read_params(schema: Schema, pairs: Iterable[Pair], *, strict: bool, custom: str | None = None) -> JsonObject:
    """The typed parameters of one call.

    ``custom`` is the kind whose ``cf_*`` keys are accepted. Raises ``Problem`` (400) for a bad value or a
    missing required parameter; parameters that no schema knows are ignored, or refused when ``strict``.
    """
    found: JsonObject = {}
    for key, text in pairs:
        if custom is not None and key.startswith("cf_"):
            found[key] = read_custom(custom, key, text) if text else None
        elif not _place(found, schema, key, text) and strict:
            raise unknown_param(key)
    result = _finished(found)
    require(schema, result)
    return result


def require(schema: Schema, found: JsonObject) -> None:
    """Raise ``Problem`` (400) for the first required parameter that is absent or blank."""
    for name, param in schema.items():
        value = found.get(name)
        if param.required and value is None:
            raise missing(name)
        if param.many and param.fields and any(child.required for child in param.fields.values()):
            _require_rows(name, param, value)
        elif param.fields and not param.many:
            inner = value or {}
            absent = next((n for n, p in param.fields.items() if p.required and inner.get(n) is None), None)
            if absent is not None:
                raise missing(f"{name}[{absent}]")


def _require_rows(name: str, param: Param, rows: list[JsonObject] | None) -> None:
    for index, row in enumerate(rows or ()):
        for child, one in param.fields.items():
            if one.required and row.get(child) is None:
                raise missing(f"{name}[{child}][{index}]")


def _place(found: JsonObject, schema: Schema, key: str, text: str) -> bool:
    match split_key(key):
        case (name,) if name in schema:
            param = schema[name]
            if (param.fields or param.many) and param.type != "j":
                return False
            found[name] = _scalar(param, name, text, key)
            return True
        case (name, "json") if name in schema and schema[name].type == "j":
            found[name] = _scalar(schema[name], name, text, key)
            return True
        case (name, index) if name in schema and schema[name].many and not schema[name].fields and _index(index):
            found.setdefault(name, {})[int(index)] = _scalar(schema[name], name, text, key)
            return True
        case (name, child) if name in schema and not schema[name].many and child in schema[name].fields:
            found.setdefault(name, {})[child] = _scalar(schema[name].fields[child], child, text, key)
            return True
        case (name, child, index) if (
            name in schema and schema[name].many and child in schema[name].fields and _index(index)
        ):
            row = found.setdefault(name, {}).setdefault(int(index), {})
            row[child] = _scalar(schema[name].fields[child], child, text, key)
            return True
    return False


def _index(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= MAX_INDEX


def _finished(found: JsonObject) -> JsonObject:
    """Arrays were gathered by index, with gaps allowed; now they become lists."""
    return {
        name: [value[index] for index in sorted(value)]
        if isinstance(value, dict) and value and all(isinstance(index, int) for index in value)
        else value
        for name, value in found.items()
    }


def _scalar(param: Param, name: str, text: str, key: str) -> object:
    if text == "":
        return None
    if param.values and text not in param.values:
        raise wrong_value(key, f"invalid value {text!r}")
    longest = param.longest or _LENGTHS.get(name, len(text))
    if len(text) > longest:
        raise wrong_value(key, f"should not be longer than {longest} characters")
    if name == "email" and not _is_email(text):
        raise wrong_value(key, "email is invalid")
    try:
        value = _json(text, list if param.many else dict) if param.type == "j" else _READERS[param.type](text)
    except (ValueError, RecursionError, OverflowError) as error:
        raise wrong_format(key, str(error)) from error
    if isinstance(value, int | float) and not _within(param, value):
        raise wrong_value(key, f"must be between {_shown(param.low)} and {_shown(param.high)}")
    return value


def _within(param: Param, value: float) -> bool:
    return (param.low is None or value >= param.low) and (param.high is None or value <= param.high)


def _shown(limit: float | None) -> str:
    return "any number" if limit is None else f"{limit:g}"


def _is_email(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(local and at and host) and " " not in text


def _json(text: str, shape: type) -> object:
    value: object = json.loads(text)
    if not isinstance(value, shape):
        raise ValueError(f"must be a JSON {'array' if shape is list else 'object'}")
    # What could be read but never be answered (a lone surrogate) fails here.
    encode(value)
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("must be a number")
    return value


_READERS: dict[str, Callable[[str], object]] = {
    "s": str,
    "i": _values.integer,
    "b": _values.boolean,
    "t": _values.timestamp,
    "f": _number,
    "F": str,
}
