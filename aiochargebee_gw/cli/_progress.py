"""A line on stderr that counts along, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._output import has_terminal

if TYPE_CHECKING:
    from ..export import Progress

__all__ = ["counting"]


@contextmanager
def counting(wanted: bool = True) -> Iterator[Callable[[Progress], None] | None]:
    """What an export tells its progress to: rows, pages, rows per second and the time; None without a terminal."""
    if not wanted or not has_terminal():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Line
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.fields[rows]:,} rows  {task.fields[pages]:,} pages  {task.fields[rate]:,.0f} rows/s")
    with Line(SpinnerColumn(), text, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as line:
        task = line.add_task("", total=None, rows=0, pages=0, rate=0.0)

        def show(now: Progress) -> None:
            line.update(task, rows=now.rows, pages=now.pages, rate=now.rows / now.seconds if now.seconds else 0.0)

        yield show
