"""Records as typed columns: which there are, and what stands in them. Pure; neither SQL nor Parquet is known here."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs
import msgspec

from .._page import record_class
from .._record import resolve
from .._wire.halves import taken_apart
from ._lines import line

__all__ = ["CUSTOM", "EXTRA", "Column", "Kind", "columns_of", "values_of"]

Kind = Literal["text", "int", "float", "bool", "time", "json"]
CUSTOM, EXTRA = "custom_fields", "extra"
_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "bool"), (int, "int"), (float, "float"), (str, "text"), (datetime, "time"),
)  # fmt: skip
_MOST = 2**63 - 1
# The years 1 to 9999: other times are none to Python and its tables.
_TIMES = range(-62_135_596_800, 253_402_300_800)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decoders: dict[Kind, msgspec.json.Decoder[Any]] = {
    "text": msgspec.json.Decoder(str),
    "int": msgspec.json.Decoder(int),
    "float": msgspec.json.Decoder(float),
    "bool": msgspec.json.Decoder(bool),
    "time": msgspec.json.Decoder(int),
}


@attrs.frozen
class Column:
    """An attribute that the catalogue knows: "text", "int", "float", "bool", "time" (Unix seconds) or "json"."""

    name: str
    kind: Kind


def columns_of(record: str) -> list[Column]:
    """The columns of a record class, named as the catalogue does ("customer.Customer"), in its order."""
    cls: Any = record_class(record)
    resolve(cls)
    hints = typing.get_type_hints(cls)
    return [Column(field.name, _kind(hints[field.name])) for field in attrs.fields(cls)]


def _kind(hint: Any) -> Kind:
    parts = [part for part in typing.get_args(hint) if part is not types.NoneType] or [hint]
    if len(parts) == 1 and isinstance(parts[0], type):
        for cls, kind in _KINDS:
            if issubclass(parts[0], cls):
                return kind
    return "json"


def values_of(document: bytes, columns: Mapping[str, Kind]) -> dict[str, Any]:
    """The values of a record by column. Under `CUSTOM` the `cf_*` attributes as one JSON object, under `EXTRA` another
    of what the columns do not know, and of values that do not fit into theirs (a number of more than 64 bits, a time
    behind the year 9999, half of a surrogate pair), as the server spelled them."""
    found: dict[str, Any] = {}
    custom: list[bytes] = []
    extra: list[bytes] = []
    for key, raw in _members(document).items():
        kind = columns.get(key)
        if raw == b"null" and kind is not None:
            continue
        if kind is not None and (value := _value(raw, kind)) is not None:
            found[key] = value
        else:
            (custom if key.startswith("cf_") else extra).append(_spell(key) + b":" + line(raw))
    if custom:
        found[CUSTOM] = _joined(custom)
    if extra:
        found[EXTRA] = _joined(extra)
    return found


def _members(document: bytes) -> dict[str, bytes]:
    try:
        found, halves = taken_apart(_object, document)
    except msgspec.DecodeError:  # no object
        return {"": document}
    if not halves:
        return {key: bytes(value) for key, value in found.items()}
    return {halves.decoded(key): halves.restored(value) for key, value in found.items()}


def _value(raw: bytes, kind: Kind) -> Any:
    """What *raw* is in a column of that kind; None when it does not fit."""
    if kind == "json":
        return line(raw).decode()
    try:
        value = _decoders[kind].decode(raw)
    except msgspec.DecodeError:
        return None
    fits = value in _TIMES if kind == "time" else kind != "int" or abs(value) <= _MOST
    return value if fits else None


def _spell(key: str) -> bytes:
    return json.dumps(key).encode()


def _joined(members: list[bytes]) -> str:
    return (b"{" + b",".join(members) + b"}").decode()
