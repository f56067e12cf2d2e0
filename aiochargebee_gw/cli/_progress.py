"""Bars on stderr that count along, on a terminal only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._output import has_terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from ..export import Progress

__all__ = ["Board", "bars_on", "counting"]

# The seconds over which a rate is taken.
_SPAN = 5.0
_WIDE = 120
# What a narrow terminal does not show, by its place in the text: the deleted ones, pages, rows/s, windows, requests/s,
# the stage, ...
_LESS = (1, 2, 3, 5, 4, 7, 6)
_ALL = "all"
_STAGES = {"full": "", "changes": "what has changed", "created": "what is new", "render": "writing"}


@contextmanager
def counting(limit: float, wanted: bool = True) -> Iterator[Callable[[Progress], None] | None]:
    """What exports tell their progress to: a bar each, with rows, rates, windows and the time left, and one for all of
    several; None without a terminal. *limit* is the requests per second that are allowed."""
    if not wanted or not has_terminal():
        yield None
        return
    from rich.console import Console

    with bars_on(Console(stderr=True)) as bars:
        yield Board(bars, limit).show


def bars_on(console: Console) -> Bars:
    """Bars that are not shown yet, and leave nothing behind."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(_bar(console)),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    return Bars(*columns, console=console, transient=True)


def _bar(console: Console) -> int:
    return 24 if console.width >= _WIDE else 8


class Board:
    """One bar for each list that is heard of. The requests are those of the client: with several lists they stand in a
    bar of their own, below."""

    def __init__(self, bars: Bars, limit: float) -> None:
        self._bars = bars
        self._limit = limit
        self._tasks: dict[str, Any] = {}
        self._rates: dict[str, tuple[_Rate, _Rate]] = {}
        self._latest: dict[str, Progress] = {}
        self._all: Any = None

    def show(self, now: Progress) -> None:
        name = now.resource
        if name not in self._tasks:
            self._add(name)
        self._latest[name] = now
        rows, requests = self._rates[name]
        rates = rows.of(now.seconds, now.rows), requests.of(now.seconds, now.requests)
        if self._all is None:
            self._update(self._tasks[name], now, *rates)
        else:
            self._update(self._tasks[name], now, rates[0], None)
            self._update(self._all, _sum(list(self._latest.values())), None, rates[1])

    def _add(self, name: str) -> None:
        self._tasks[name] = self._bars.add_task(name, total=None, text="")
        # Of a list that is gone on with, both counters have an earlier run in them: its own.
        self._rates[name] = _Rate(), _Rate()
        if self._all is not None:
            self._bars.remove_task(self._all)
        if len(self._tasks) > 1:
            self._all = self._bars.add_task(_ALL, total=None, text="")

    def _update(self, task: Any, now: Progress, rows: float | None, requests: float | None) -> None:
        total = None if now.total is None else max(now.total, now.rows)
        text = _text(now, total, rows, requests, self._limit, self._room())
        self._bars.update(task, completed=now.rows, total=total, text=text)

    def _room(self) -> int:
        """The characters that a line has for its text, beside the name, the bar, the time and what is between them."""
        console = self._bars.console
        return console.width - max(map(len, self._tasks)) - _bar(console) - len("0:00:00") - 3


def _sum(lists: list[Progress]) -> Progress:
    """All lists as one; the total only where each has one."""
    from ..export import Progress

    totals = [one.total for one in lists]
    return Progress(
        rows=sum(one.rows for one in lists),
        deleted=sum(one.deleted for one in lists),
        pages=sum(one.pages for one in lists),
        bytes=sum(one.bytes for one in lists),
        seconds=max(one.seconds for one in lists),
        total=None if None in totals else sum(filter(None, totals)),
    )


def _text(
    now: Progress, total: int | None, rows: float | None, requests: float | None, limit: float, room: int = _WIDE
) -> str:
    """What stands behind a bar, or the most important of it; a rate that is None is not its own."""
    about = f" of ~{total:,}" if total is not None and total > now.rows else ""
    allowed = f" of {limit:g}" if limit != float("inf") else ""
    # Nobody asks for anything while the output is written.
    asks = requests is not None and now.stage != "render"
    parts = [
        # Not those of the file: deleted rows are read, too, and what has changed meanwhile once more.
        f"{now.rows:,}{about} rows read",
        f"{now.deleted:,} deleted" if now.deleted else "",
        f"{now.pages:,} pages",
        "" if rows is None else f"{rows:,.0f} rows/s",
        f"{requests:.1f}{allowed} requests/s" if asks else "",
        f"{now.windows} windows" if now.windows > 1 else "",
        _left(0 if total is None else total - now.rows, rows or 0),
        _STAGES[now.stage],
    ]
    for number in _LESS:
        if len(_joined(parts)) > room:
            parts[number] = ""
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    return "  ".join(part for part in parts if part)


def _left(rows: int, rate: float) -> str:
    if rows <= 0 or rate <= 0:
        return ""
    minutes, seconds = divmod(round(rows / rate), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"


class _Rate:
    """How fast a counter has grown in the last seconds."""

    def __init__(self) -> None:
        # From the very beginning: pages that come at once have taken their time before.
        self._seen: deque[tuple[float, int]] = deque([(0.0, 0)])

    def of(self, seconds: float, count: int) -> float:
        """Note the counter. Returns its growth per second."""
        self._seen.append((seconds, count))
        while len(self._seen) > 2 and self._seen[1][0] < seconds - _SPAN:
            self._seen.popleft()
        then, before = self._seen[0]
        return max(0, count - before) / (seconds - then) if seconds > then else 0.0
