"""Records as cells: pure, and exact about numbers."""

from __future__ import annotations

import re

import attrs
import msgspec

from ..errors import DecodeError
from ._lines import line

__all__ = ["cells", "header"]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)
_BRACE, _QUOTE = b'{"'
# Escapes of JSON; the group is half of a surrogate pair, alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_PRIVATE = range(0xE000, 0xF900)


def cells(document: bytes) -> list[tuple[str, str]]:
    """Column and text of each leaf of a record, in the record's order. Raises `DecodeError` for what is no object."""
    try:
        try:
            return _Leaves().of(document)
        except msgspec.DecodeError:
            # UTF-8 has no spelling for half of a surrogate pair, and msgspec none at all.
            return _Leaves(_halves(document)).of(document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DecodeError("a row of this list cannot be read as an object: it has no columns") from error


def header(seen: dict[str, None]) -> list[str]:
    """The columns of a file: `id` first, the others as they were first seen."""
    if not seen:
        return ["id"]
    return [*(["id"] if "id" in seen else []), *(name for name in seen if name != "id")]


def _halves(document: bytes) -> dict[bytes, bytes]:
    """For each lone half in *document* a character that does not occur there."""
    found = sorted({match[1] for match in _ESCAPE.finditer(document) if match[1]})
    lower = document.lower()
    free = (code for code in _PRIVATE if b"u%x" % code not in lower and chr(code).encode() not in document)
    return {half: b"u%x" % code for half, code in zip(found, free, strict=False)}


@attrs.frozen
class _Leaves:
    """The leaves of one record. *stand_ins* are written for halves while it is taken apart."""

    stand_ins: dict[bytes, bytes] = attrs.field(factory=dict)

    def of(self, document: bytes) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if self.stand_ins:
            document = _ESCAPE.sub(
                lambda match: b"\\" + self.stand_ins.get(match[1], match[1]) if match[1] else match[0], document
            )
        self._collect("", _object.decode(document), found)
        return found

    def _collect(self, prefix: str, fields: dict[str, msgspec.Raw], found: list[tuple[str, str]]) -> None:
        for key, raw in fields.items():
            value = bytes(raw)
            # A key of a customer's own (meta_data) may hold a dot, and must not meet a nested key.
            safe = self._key(key).replace(".", "\\.") if self.stand_ins or "." in key or "\\" in key else key
            name = prefix + safe
            if value[0] == _BRACE and (inner := _object.decode(value)):
                self._collect(f"{name}.", inner, found)
            else:
                found.append((name, self._text(value)))

    def _key(self, key: str) -> str:
        key = key.replace("\\", "\\\\")
        for half, stand_in in self.stand_ins.items():
            key = key.replace(chr(int(stand_in[1:], 16)), "\\" + half.decode())
        return key

    def _text(self, value: bytes) -> str:
        original = value
        for half, stand_in in self.stand_ins.items():
            original = original.replace(b"\\" + stand_in, b"\\" + half)
        if value[0] != _QUOTE:
            return "" if value == b"null" else line(original).decode()
        return _string.decode(value) if original == value else original.decode()
