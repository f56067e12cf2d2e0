"""Parameters as one JSON document, for the few operations that take no form, by the same descriptions as a form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from ..errors import RequestError
from .form import Spec, check_names, epoch, json_text, wrong

__all__ = ["encode_json"]


def encode_json(params: Mapping[str, Any], specs: Mapping[str, Spec], *, custom_fields: bool = False) -> bytes:
    """The document. Raises `RequestError` for an unknown name or a value of a wrong kind."""
    check_names(params, specs, custom_fields=custom_fields)
    document = {name: _value(name, value, specs.get(name, "json")) for name, value in params.items()}
    try:
        return msgspec.json.encode(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError("a parameter's value cannot be written as JSON") from error


def _value(name: str, value: Any, spec: Spec) -> Any:
    if value is None:
        return None
    if spec == "json":
        return msgspec.Raw(json_text(name, value).encode())
    if isinstance(spec, str):
        return _scalar(name, value, spec)
    if isinstance(spec, Mapping):
        return _object(name, value, spec)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise wrong(name, value, "a list")
    return [_value(f"{name}[{number}]", item, spec[0]) for number, item in enumerate(value)]


def _object(name: str, value: Any, specs: Mapping[str, Spec]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong(name, value, "an object")
    check_names(value, specs, within=name)
    return {key: _value(f"{name}[{key}]", item, specs[key]) for key, item in value.items()}


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "enum": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float, Decimal),
    "time": (datetime,),
}


def _scalar(name: str, value: Any, kind: str) -> Any:
    if isinstance(value, Enum):
        value = value.value
    legal = isinstance(value, _KINDS[kind]) and isinstance(value, bool) == (kind == "bool")
    if not legal or (kind == "float" and not math.isfinite(value)):
        raise wrong(name, value, f"a value of the kind {kind!r}")
    if kind == "time":
        return epoch(name, value)
    # As it was given: through a float, the digits of a large amount would change.
    return msgspec.Raw(format(value, "f").encode()) if isinstance(value, Decimal) else value
