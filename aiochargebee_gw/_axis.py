"""The time field along which a list can be split: chosen from the catalogue, put into queries, read out of pages. Pure.

No public source says whether Chargebee's `after` and `before` include the moment that they name. A window's bounds are
the seconds beside it, and what lies outside is dropped by the plan: right under both readings.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs
import msgspec

from ._operation import ListOperation
from ._prepare import Draft
from ._wire import document
from ._wire.form import Pair
from .errors import DecodeError, RequestError
from .filters import Sort

__all__ = [
    "EARLIEST",
    "LATEST",
    "Mark",
    "Split",
    "fingerprint",
    "is_unnamed",
    "last_row",
    "marks_of",
    "named",
    "narrowed",
    "split_of",
]

# The first two never change. `updated_at` does, `occurred_at` is the only one of events.
_FIELDS = ("created_at", "date", "updated_at", "occurred_at")
# Timestamps in a filter have ten digits (the request schemas of Chargebee's node SDK): from 2001 to 2286.
EARLIEST, LATEST = 10**9, 10**10 - 1

Mark: TypeAlias = "tuple[int | None, str | None]"
"""A row's moment in Unix seconds and its id, or the code that stands for one; None for what it lacks."""

# No id that a server gives looks like that.
_UNNAMED = "blake2b:"


@attrs.frozen(kw_only=True)
class Split:
    """Whether a list can be read in several windows at once, and along which field.

    `field` is None where it is followed by one cursor; `reason` then says why. `mutable` is True for `updated_at`: a
    row that changes while the list is being read leaves its window for a moment behind the last one, and is not seen
    by this pass. A second pass over what has changed since finds it.
    """

    field: str | None
    reason: str = ""

    @property
    def mutable(self) -> bool:
        return self.field == "updated_at"

    def __str__(self) -> str:
        return f"split by {self.field}" if self.field else f"one cursor: {self.reason}"


def split_of(operation: ListOperation[Any, Any], order: Sort | None) -> Split:
    """How to read a list. Raises `RequestError` for an order that is the caller's but no window's."""
    fields = tuple(name for name in operation.sorts if _splittable(operation, name))
    if not operation.paged or not fields:
        return Split(field=None, reason="no time field that the list can be sorted by and filtered by")
    if order is not None:
        return Split(field=_ascending(order, fields, operation.label))
    preferred = [name for name in _FIELDS if name in fields]
    if not preferred:
        return Split(field=None, reason=f"no usual time field; order_by {fields[0]} splits it")
    return Split(field=preferred[0])


def _splittable(operation: ListOperation[Any, Any], name: str) -> bool:
    rule = operation.filters.get(name)
    return rule is not None and rule.kind == "timestamp" and {"after", "before"} <= set(rule.operators)


def _ascending(order: Sort, fields: tuple[str, ...], label: str) -> str:
    if order.direction == "asc" and order.field in fields:
        return order.field
    raise RequestError(
        f"order_by: windows are read upwards along {' or '.join(fields)}; leave the order out, or use one cursor",
        field="order_by",
        given=f"{order.field} {order.direction}",
        legal=tuple(f"{name} asc" for name in fields),
        operation=label,
    )


def narrowed(
    query: Sequence[Pair], field: str | None, *, after: int | None, before: int | None, cursor: str | None
) -> tuple[Pair, ...]:
    """A list's query for one window: the caller's own conditions on the field hold, too, for the same condition
    cannot be sent twice. Without a field it is the list's own query."""
    pairs = [pair for pair in query if pair[0] != "offset"]
    if field is not None:
        pairs = _sorted_by(pairs, field, "asc")
        pairs = _limited(pairs, f"{field}[after]", after, max)
        pairs = _limited(pairs, f"{field}[before]", before, min)
    return (*pairs, *([("offset", cursor)] if cursor is not None else ()))


def last_row(query: Sequence[Pair], field: str | None) -> tuple[Pair, ...]:
    """The query whose one row is the last of the list."""
    if field is None:
        raise ValueError("a list that is not sorted has no last row")
    pairs = [("limit", "1") if key == "limit" else (key, value) for key, value in query if key != "offset"]
    return tuple(_sorted_by(pairs, field, "desc"))


def _sorted_by(pairs: list[Pair], field: str, direction: str) -> list[Pair]:
    return [*(pair for pair in pairs if not pair[0].startswith("sort_by[")), (f"sort_by[{direction}]", field)]


def _limited(pairs: list[Pair], key: str, bound: int | None, closer: Any) -> list[Pair]:
    if bound is None or not EARLIEST <= bound <= LATEST:
        return pairs
    given = [int(value) for name, value in pairs if name == key]
    return [*(pair for pair in pairs if pair[0] != key), (key, str(closer([bound, *given])))]


def fingerprint(draft: Draft, field: str | None) -> str:
    """What tells one query from another: windows belong to theirs. It shows nothing of its values."""
    pairs = sorted(pair for pair in draft.query if pair[0] != "offset")
    text = msgspec.json.encode([draft.path, field, pairs])
    return hashlib.blake2b(text, digest_size=16).hexdigest()


_marking: dict[tuple[str, str], msgspec.json.Decoder[Any]] = {}


def marks_of(body: bytes, main: str, field: str | None) -> list[Mark]:
    """The mark of every row of a page."""
    name = field or ""
    if (main, name) not in _marking:
        mark = msgspec.defstruct(
            "Marked",
            [("id", str | None, None), ("code", str | None, None), ("moment", int | None, None)],
            rename={"moment": name or "moment "},
        )
        row = msgspec.defstruct("MarkedRow", [("main", mark)], rename={"main": main})
        _marking[main, name] = msgspec.json.Decoder(
            msgspec.defstruct("Rows", [("list", list[row])])  # type: ignore[valid-type]
        )
    try:
        return [
            (row.main.moment, row.main.id or row.main.code or None) for row in _marking[main, name].decode(body).list
        ]
    except (ValueError, RecursionError):
        # One odd row must not hide the moments of the other 99.
        return [_mark(row, main, name) for row in document.pieces(body)]


def _mark(row: bytes, main: str, name: str) -> Mark:
    try:
        found: Any = document.as_mapping(row).get(main)
    except DecodeError:
        return None, None
    if not isinstance(found, dict):
        return None, None
    moment = found.get(name)
    is_moment = isinstance(moment, int) and not isinstance(moment, bool)
    names = (given for key in ("id", "code") if isinstance(given := found.get(key), str) and given)
    return moment if is_moment else None, next(names, None)


def named(marks: list[Mark], body: bytes, cursor: str | None) -> list[Mark]:
    """The marks of the page at *cursor*, where rows that nothing names are called after it and their bytes: asked for
    once more, the page has the same names, and no other page has."""
    if all(id is not None for _, id in marks):
        return marks
    counts: Counter[bytes] = Counter()
    found: list[Mark] = []
    for (moment, id), row in zip(marks, document.pieces(body), strict=True):
        if id is None:
            counts[row] += 1
            text = msgspec.json.encode([cursor, counts[row]]) + row
            id = _UNNAMED + hashlib.blake2b(text, digest_size=16).hexdigest()
        found.append((moment, id))
    return found


def is_unnamed(name: str) -> bool:
    """Whether `named` has made it up: such a row is not known again on another page."""
    return name.startswith(_UNNAMED)
