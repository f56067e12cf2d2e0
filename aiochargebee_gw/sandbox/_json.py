"""JSON as the sandbox writes and reads it: compact, UTF-8, nulls never stored."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, Any]
"""One decoded JSON object. The only place where ``Any`` enters the sandbox."""

encode = msgspec.json.encode


def decode_object(data: bytes | str) -> JsonObject:
    """Decode a JSON object; raises ``ValueError`` for anything else."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def without_nulls(value: JsonObject) -> JsonObject:
    """A copy without keys whose value is ``None``: Chargebee leaves absent attributes out."""
    return {key: item for key, item in value.items() if item is not None}


def holds_nul(value: object) -> bool:
    """Whether a text in *value* has a NUL: SQLite reads a text up to its first one."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(holds_nul, value))
