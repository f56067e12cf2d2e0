"""The description of every record and operation, as the generator wrote it; read when it is first asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from attrs import field, frozen

__all__ = ["Description", "Filter", "Operation", "Shape", "describe"]

_FILE = Path(__file__).with_name("description.json")


@frozen(kw_only=True)
class Shape:
    """An attribute or a parameter.

    ``kind`` is ``str int float bool timestamp json json_list list object``. ``low`` and ``high`` limit a number, or
    the length of a text or list; ``values`` is the number of a set in :attr:`Description.values`; an object names a
    ``record`` in an answer and lists its ``fields`` in a request.
    """

    kind: str
    required: bool = False
    values: int | None = None
    low: float | None = None
    high: float | None = None
    item: Shape | None = None
    record: str | None = None
    fields: dict[str, Shape] = field(factory=dict)


@frozen(kw_only=True)
class Filter:
    """A filter of a list: its kind, its legal operators, the values of an enum."""

    kind: str
    operators: tuple[str, ...]
    values: int | None = None
    required: bool = False


@frozen(kw_only=True, eq=False)
class Operation:
    """One operation; ``path`` has at most one ``{id}``, ``host`` is the other host that alone answers it."""

    resource: str
    name: str
    method: str
    path: str
    answer: dict[str, Shape] = field(factory=dict)
    params: dict[str, Shape] = field(factory=dict)
    listing: bool = False
    filters: dict[str, Filter] = field(factory=dict)
    sorts: tuple[str, ...] = ()
    deleted: bool = False
    custom: bool = False
    host: str | None = None
    catalog: str | None = None


@frozen(kw_only=True)
class Description:
    """Everything. Records go by ``resource.Class``: ``customer.BillingAddress``."""

    generated: str
    values: tuple[tuple[str, ...], ...]
    records: dict[str, dict[str, Shape]]
    operations: tuple[Operation, ...]

    def options(self, number: int | None) -> tuple[str, ...]:
        """The values of an enum, none where any text will do."""
        return () if number is None else self.values[number]

    def attributes(self, resource: str) -> dict[str, Shape]:
        """The attributes of a whole resource."""
        return self.records[whole(resource)]


def whole(resource: str) -> str:
    """The record of a resource: ``gift`` gives ``gift.Gift``."""
    return f"{resource}.{''.join(map(str.capitalize, resource.split('_')))}"


@cache
def describe() -> Description:
    """The description; the file is read once in a process."""
    return msgspec.json.decode(_FILE.read_bytes(), type=Description)
