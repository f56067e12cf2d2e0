"""A mirror's JSON as tables: one view a list, one typed column an attribute."""

from __future__ import annotations

from ._columns import columns_of

__all__ = ["view"]

_RESERVED = ("documents", "lists")


def view(resource: str, record: str) -> tuple[str, str]:
    """The name of a list's view and the statement that makes it; deleted records are not in it.

    Times are texts in UTC (`2024-01-31 12:00:00`, what SQLite's date functions take), booleans 0 and 1, objects and
    lists JSON text; `document` is the whole record. Integers of more than 64 bits are exact in `document` only.
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
    return f'{value} AS "{name}"'
