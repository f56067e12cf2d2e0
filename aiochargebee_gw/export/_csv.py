"""Records as cells: pure, and exact about numbers."""

from __future__ import annotations

import attrs
import msgspec

from .._wire.halves import Halves, taken_apart
from ..errors import DecodeError
from ._lines import line

__all__ = ["cells", "header"]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)
_BRACE, _QUOTE = b'{"'


def cells(document: bytes) -> list[tuple[str, str]]:
    """Column and text of each leaf of a record, in the record's order. Raises `DecodeError` for what is no object."""
    try:
        fields, halves = taken_apart(_object, document)
        return _Leaves(halves).of(fields)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DecodeError("a row of this list cannot be read as an object: it has no columns") from error


def header(seen: dict[str, None]) -> list[str]:
    """The columns of a file: `id` first, the others as they were first seen."""
    if not seen:
        return ["id"]
    return [*(["id"] if "id" in seen else []), *(name for name in seen if name != "id")]


@attrs.frozen
class _Leaves:
    """The leaves of one record."""

    halves: Halves

    def of(self, fields: dict[str, msgspec.Raw]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        self._collect("", fields, found)
        return found

    def _collect(self, prefix: str, fields: dict[str, msgspec.Raw], found: list[tuple[str, str]]) -> None:
        for key, raw in fields.items():
            value = bytes(raw)
            # A key of a customer's own (meta_data) may hold a dot, and must not meet a nested key.
            safe = self._key(key).replace(".", "\\.") if self.halves or "." in key or "\\" in key else key
            name = prefix + safe
            if value[0] == _BRACE and (inner := _object.decode(value)):
                self._collect(f"{name}.", inner, found)
            else:
                found.append((name, self._text(value)))

    def _key(self, key: str) -> str:
        # UTF-8 has no spelling for half of a surrogate pair: its escape has.
        return self.halves.decoded(key.replace("\\", "\\\\")).encode("utf-8", "backslashreplace").decode()

    def _text(self, value: bytes) -> str:
        original = self.halves.restored(value)
        if value[0] != _QUOTE:
            return "" if value == b"null" else line(original).decode()
        return _string.decode(value) if original == value else original.decode()
