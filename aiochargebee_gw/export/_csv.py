"""Records as cells: pure, and exact about numbers."""

from __future__ import annotations

import msgspec

from ..errors import DecodeError
from ._lines import line

__all__ = ["cells", "header"]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)
_BRACE, _QUOTE = b'{"'


def cells(document: bytes) -> list[tuple[str, str]]:
    """Column and text of each leaf of a record, in the record's order. Raises `DecodeError` for what is no object."""
    found: list[tuple[str, str]] = []
    try:
        _collect("", _object.decode(document), found)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DecodeError("a row of this list is not an object: it has no columns") from error
    return found


def header(seen: dict[str, None]) -> list[str]:
    """The columns of a file: `id` first, the others as they were first seen."""
    if not seen:
        return ["id"]
    return [*(["id"] if "id" in seen else []), *(name for name in seen if name != "id")]


def _collect(prefix: str, fields: dict[str, msgspec.Raw], found: list[tuple[str, str]]) -> None:
    for key, raw in fields.items():
        value = bytes(raw)
        # A key of a customer's own (meta_data) may hold a dot, and must not meet a nested key.
        safe = key.replace("\\", "\\\\").replace(".", "\\.") if "." in key or "\\" in key else key
        name = prefix + safe
        if value[0] == _BRACE and (inner := _object.decode(value)):
            _collect(f"{name}.", inner, found)
        else:
            found.append((name, _text(value)))


def _text(value: bytes) -> str:
    if value[0] == _QUOTE:
        return _string.decode(value)
    return "" if value == b"null" else line(value).decode()
