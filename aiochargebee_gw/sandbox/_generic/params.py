"""The parameters of any operation: typed by its description, checked for presence and limits."""

from __future__ import annotations

import json
from collections.abc import Iterator

from aiochargebee_gw.sandbox._catalogue import Operation, Shape, describe
from aiochargebee_gw.sandbox._coerce import read_params
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._form import Pair, body_pairs, pairs, split_key
from aiochargebee_gw.sandbox._json import JsonObject, decode_object, holds_nul
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import Param, Schema
from aiochargebee_gw.sandbox._problems import Problem, missing, wrong_value

_TYPES = {"str": "s", "int": "i", "float": "f", "bool": "b", "timestamp": "t", "json": "j", "json_list": "j"}


def read(desk: Desk, call: Call, operation: Operation) -> JsonObject:
    """The typed parameters of a call; raises ``Problem`` (400) for a missing one, a wrong type, value or size.

    A body may be a form or JSON: the official SDKs send JSON to a few operations, and forms work there, too.
    """
    sent = pairs(call.query) if call.method == "GET" else _body(call, operation.params)
    bases = {split_key(name)[0] for name in operation.filters}
    return typed(desk, operation, [(key, text) for key, text in sent if split_key(key)[0] not in bases])


def typed(desk: Desk, operation: Operation, sent: list[Pair]) -> JsonObject:
    """The typed parameters among pairs; raises as :func:`read`."""
    custom = operation.resource if operation.custom else None
    found = read_params(_schema(operation.params), sent, strict=desk.strict, custom=custom)
    for name, value in found.items():
        if holds_nul(value):
            raise wrong_value(name, "must not hold a NUL character")
    check(operation.params, found)
    return found


def check(shapes: dict[str, Shape], found: JsonObject, place: str = "{}") -> None:
    """Raise ``Problem`` (400) for the first parameter that is missing, too short or too long."""
    for name, shape in shapes.items():
        value = found.get(name)
        key = place.format(name)
        if value is None:
            if shape.required and not shape.fields:
                raise missing(_example(key, shape))
            if shape.required:
                check(shape.fields, {}, f"{key}[{{}}]")
            continue
        _size(shape, value, key)
        if shape.fields and isinstance(value, dict):
            check(shape.fields, value, f"{key}[{{}}]")
        elif shape.item is not None:
            _check_items(shape.item, value, key)


def _check_items(item: Shape, values: list[object], key: str) -> None:
    for index, value in enumerate(values):
        if isinstance(value, dict) and item.fields:
            check(item.fields, value, f"{key}[{{}}][{index}]")
        elif value is not None:
            _size(item, value, f"{key}[{index}]")


def _example(key: str, shape: Shape) -> str:
    """How a missing list is named: by its first required member."""
    if shape.item is None:
        return key
    inner = next((name for name, one in shape.item.fields.items() if one.required), None)
    return f"{key}[{inner}][0]" if inner else f"{key}[0]"


def _size(shape: Shape, value: object, key: str) -> None:
    if not isinstance(value, str | list):
        return
    unit = "characters" if isinstance(value, str) else "items"
    if shape.low is not None and len(value) < shape.low:
        raise wrong_value(key, f"should not be shorter than {shape.low:g} {unit}")
    if shape.high is not None and len(value) > shape.high:
        raise wrong_value(key, f"should not be longer than {shape.high:g} {unit}")


def _schema(shapes: dict[str, Shape]) -> Schema:
    return {name: _param(shape) for name, shape in shapes.items()}


def _param(shape: Shape) -> Param:
    one = shape.item or shape
    many = shape.item is not None or shape.kind == "json_list"
    type = _TYPES.get(one.kind, "s")
    numeric = type in ("i", "f")
    return Param(
        type,
        describe().options(one.values),
        many=many,
        fields=_schema(one.fields),
        low=one.low if numeric else None,
        high=one.high if numeric else None,
        longest=int(one.high) if type == "s" and one.high is not None else None,
    )


def _body(call: Call, shapes: dict[str, Shape]) -> list[Pair]:
    headers = {name.lower(): value for name, value in call.headers.items()}
    if not headers.get("content-type", "").lower().startswith("application/json"):
        return body_pairs(call.body)
    try:
        sent = decode_object(call.body or b"{}")
    except ValueError as error:
        raise Problem(400, "invalid_request", "The body is no JSON object.") from error
    return [pair for name, value in sent.items() for pair in _flat(name, value, shapes.get(name))]


def _flat(name: str, value: object, shape: Shape | None) -> Iterator[Pair]:
    """A JSON member as the pairs that a form would have."""
    if isinstance(value, dict) and shape is not None and shape.fields:
        yield from ((f"{name}[{child}]", _scalar(inner)) for child, inner in value.items())
    elif isinstance(value, list) and shape is not None and shape.item is not None:
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from ((f"{name}[{child}][{index}]", _scalar(inner)) for child, inner in item.items())
            else:
                yield f"{name}[{index}]", _scalar(item)
    else:
        yield name, _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
