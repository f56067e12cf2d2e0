"""The parameters of POST calls by the call's name, ``invoice.write_off``, read from the catalogue's description."""

from __future__ import annotations

from functools import cache

from aiochargebee_gw.sandbox._catalogue import Shape, describe
from aiochargebee_gw.sandbox._params import Param, Schema

_LETTERS = {"int": "i", "float": "f", "bool": "b", "timestamp": "t", "json": "j", "json_list": "j"}


@cache
def form(name: str) -> Schema:
    """The schema of one call; raises ``KeyError`` for a call that the catalogue does not have."""
    return _schema(_params()[name])


@cache
def _params() -> dict[str, dict[str, Shape]]:
    return {f"{one.resource}.{one.name}": one.params for one in describe().operations if one.method == "POST"}


def _schema(shapes: dict[str, Shape]) -> Schema:
    return {name: _param(shape) for name, shape in shapes.items()}


def _param(shape: Shape) -> Param:
    inner = shape.item or shape
    text = inner.kind == "str"
    return Param(
        _LETTERS.get(inner.kind, "s"),
        describe().options(inner.values),
        shape.required,
        shape.item is not None or inner.kind == "json_list",
        _schema(inner.fields),
        low=None if text else inner.low,
        high=None if text else inner.high,
        longest=int(inner.high) if text and inner.high is not None else None,
    )
