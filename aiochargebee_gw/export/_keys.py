"""What a journal must know of a record, read without decoding the rest of it: pure."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

__all__ = ["Key", "Row", "reader"]

# SQLite's integers end here.
_MOST = 2**63 - 1
# What names a record that has no id: Chargebee asks for coupon codes by their code.
_NAMES = ("id", "code")


class Key(NamedTuple):
    """`id` is None for a record that nothing names; `version` grows with every change and is 0 where the record does
    not say; `position` is the sort attribute, in Unix seconds, None where it is absent or no number."""

    id: str | None
    version: int
    position: int | None
    deleted: bool


Row: TypeAlias = "tuple[Key, bytes]"
"""A record on its way into a journal: its key, and its JSON."""


class Reader:
    """Reads the keys of one list's records; *sort* is the attribute by which they are listed, if by one."""

    def __init__(self, sort: str | None) -> None:
        self._sort = sort
        fields: list[Any] = [(name, str | int | None, None) for name in _NAMES]
        fields += [("resource_version", int | None, None), ("updated_at", int | None, None), ("deleted", bool, False)]
        if sort is not None and sort not in [name for name, *_ in fields]:
            fields.append((sort, int | None, None))
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(msgspec.defstruct("Key", fields, gc=False))

    def __call__(self, document: bytes) -> Key:
        """The key of one record; of what is no object, none at all."""
        try:
            found = self._decoder.decode(document)
        except (msgspec.DecodeError, RecursionError):
            return self._slow(document)
        position = getattr(found, self._sort) if self._sort is not None else None
        # Most have an id that is a text, and a version.
        id = found.id if found.id and type(found.id) is str else _name(found.id, found.code)
        version = found.resource_version
        if version is None:
            version = (found.updated_at or 0) * 1000
        if abs(version) > _MOST or (position is not None and abs(position) > _MOST):
            return self._slow(document)
        return Key(id, version, position, found.deleted)

    def _slow(self, document: bytes) -> Key:
        """As above, for a record that is not as documented, or that holds half of a surrogate pair."""
        try:
            found = json.loads(document)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            return Key(None, 0, None, False)
        version = _whole(found.get("resource_version"))
        if version is None:
            version = (_whole(found.get("updated_at")) or 0) * 1000
        position = None if self._sort is None else _whole(found.get(self._sort))
        name = _name(found.get("id"), found.get("code"))
        return Key(name, _bound(version), None if position is None else _bound(position), found.get("deleted") is True)


@cache
def reader(sort: str | None) -> Reader:
    """The reader for lists that are sorted by *sort*."""
    return Reader(sort)


def _name(*given: object) -> str | None:
    for name in given:
        if isinstance(name, str) and name:
            # Half of a surrogate pair has no UTF-8: it is named by its escape.
            return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
        if isinstance(name, int) and not isinstance(name, bool):
            return str(name)
    return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _bound(value: int) -> int:
    return max(-_MOST, min(value, _MOST))
