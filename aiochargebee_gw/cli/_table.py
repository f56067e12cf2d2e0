"""A glimpse of rows: a few columns, as a table on a terminal and as tab-separated text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ._output import emit, emit_text

__all__ = ["choose_columns", "show_table"]

_TELLING = (
    "id", "code", "name", "first_name", "last_name", "email", "company", "customer_id", "subscription_id", "plan_id",
    "item_id", "item_family_id", "event_type", "type", "status", "price", "total", "amount", "amount_due",
    "currency_code", "period", "period_unit", "date", "occurred_at", "created_at", "deleted",
)  # fmt: skip
_MOST = 8
_FEW = 3


def choose_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The telling attributes that the rows have, at the most eight; rows without any show what they begin with."""
    present = {key: None for row in rows for key, value in row.items() if not isinstance(value, dict | list | None)}
    if not any(row.get("deleted") for row in rows):
        present.pop("deleted", None)
    chosen = [name for name in _TELLING if name in present]
    if len(chosen) < _FEW:
        chosen += [name for name in present if name not in chosen and name != "object"]
    return chosen[:_MOST]


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, header: bool = True) -> None:
    """Write *rows* to stdout. Amounts are in the currency's minor unit, times in UTC."""
    cells = [[_cell(name, row.get(name)) for name in columns] for row in rows]
    if sys.stdout.isatty():
        _boxed(columns, cells)
    else:
        _tabbed([columns, *cells] if header else cells)


def _tabbed(lines: Iterable[Sequence[str]]) -> None:
    # UTF-8 whatever the locale says: it is data, for programs.
    emit("\t".join(line).encode(errors="replace") for line in lines)


def _boxed(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        # What a person copies is never cut: ids; the rest gives way.
        whole = max((len(line[number]) for line in cells), default=0) if number == 0 else None
        table.add_column(name, overflow="ellipsis", no_wrap=True, min_width=whole)
    for line in cells:
        table.add_row(*map(Text, line))
    # Made here: it asks for NO_COLOR, TERM and the width. As one text: a signal must be able to end the writing.
    console = Console(file=sys.stdout)
    with console.capture() as shown:
        console.print(table)
    emit_text(shown.get())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and (name == "date" or name.endswith("_at")):
        return _moment(value)
    # A text may hold tabs, line breaks or what a terminal would obey.
    return "".join(character if character.isprintable() else " " for character in str(value))


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return str(seconds)
