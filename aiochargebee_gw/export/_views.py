"""A mirror's JSON as tables: one view a list, one typed column an attribute."""

from __future__ import annotations

from ._columns import columns_of

__all__ = ["view"]

_RESERVED = ("documents", "lists")


def view(resource: str, record: str) -> tuple[str, str]:
    """The name of a list's view and the statement that makes it; deleted records are not in it.

    Times are texts in UTC (`2024-01-31 12:00:00`, what SQLite's date functions take), booleans 0 and 1, objects and
    lists JSON text; `document` is the whole record. Integers of more than 64 bits are exact in `document` only. A text
    that UTF-8 cannot hold (half of a surrogate pair, of a name that was cut in the middle of an emoji) stands as in the
    record, in quotes and with its escapes: `"Ann \\ud83d"`.
    """
    columns = [_column(column.name, column.kind) for column in columns_of(record)]
    name = f"{resource}_list" if resource in _RESERVED else resource
    return name, (
        f'CREATE VIEW "{name}" AS SELECT {", ".join(columns)}, document '  # noqa: S608 - names of the catalogue
        f"FROM documents WHERE resource = '{resource}' AND deleted = 0"
    )


def _column(name: str, kind: str) -> str:
    value = f"json_extract(document, '$.{name}')"
    if kind == "time":
        value = f"datetime({value}, 'unixepoch')"
    else:
        value = f"CASE WHEN {_HALVES} AND {_half(value)} THEN {_spelled(name)} ELSE {value} END"
    return f'{value} AS "{name}"'


# Most records hold no such escape at all, and this is told in no time.
_HALVES = "document GLOB '*\\u[dD][89a-fA-F]*'"


def _half(value: str) -> str:
    """Whether half of a surrogate pair is in a text: SQLite reads that as U+FFFD, of which it has not the bytes."""
    return f"replace({value}, char(65533), '') GLOB '*' || char(65533) || '*'"


def _spelled(name: str) -> str:
    """A text as it stands in the record: in a list it keeps its escapes, `["...",null]`, for it has no elements."""
    both = f"json_extract(document, '$.{name}', '$.{name}[0]')"
    return f"substr({both}, 2, length({both}) - 7)"
