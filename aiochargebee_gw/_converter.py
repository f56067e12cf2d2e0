"""The public cattrs converter: between your own classes and what Chargebee sends and takes.

Records and moments follow the wire: a datetime is whole Unix seconds, an enum its text. Decoding of answers does not go
through it (msgspec does that, in C); it is for your classes, for settings, and for what you store.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import cattrs
import msgspec

from ._record import Part, resolve
from ._wire.form import epoch

__all__ = ["converter"]


def _make() -> cattrs.Converter:
    made = cattrs.Converter(omit_if_default=True, unstruct_collection_overrides={tuple: list})
    made.register_unstructure_hook(datetime, lambda moment: epoch("datetime", moment))
    made.register_structure_hook(datetime, _moment)
    made.register_unstructure_hook(Decimal, lambda number: number)
    made.register_structure_hook(Decimal, lambda value, _: Decimal(str(value)))
    made.register_structure_hook_factory(_is_part, lambda cls: lambda value, _: _part(cls, value))
    return made


def _moment(value: Any, _: type[datetime]) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(int(value), UTC)


def _is_part(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Part) and attrs.has(cls)


def _part(cls: type[Any], value: Any) -> Any:
    if isinstance(value, cls):
        return value
    resolve(cls)
    return msgspec.convert(value, cls, strict=False)


converter: cattrs.Converter = _make()
"""A `cattrs.Converter`; copy it (`converter.copy()`) before you register hooks of your own."""
