"""Bars on stderr that count along, on a terminal only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._output import has_terminal

if TYPE_CHECKING:
    from ..export import Progress

__all__ = ["counting"]

# The seconds over which a rate is taken.
_SPAN = 5.0
_STAGES = {"full": "", "changes": "what has changed", "created": "what is new", "render": "writing"}


@contextmanager
def counting(limit: float, wanted: bool = True) -> Iterator[Callable[[Progress], None] | None]:
    """What exports tell their progress to: a bar each, with rows, rates, windows and the time left; None without a
    terminal. *limit* is the requests per second that are allowed."""
    if not wanted or not has_terminal():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Board(bars, limit).show


class _Board:
    """One bar for each list that is heard of."""

    def __init__(self, bars: Any, limit: float) -> None:
        self._bars = bars
        self._limit = limit
        self._tasks: dict[str, Any] = {}
        self._rates: dict[str, _Rate] = {}
        self._requests = _Rate()

    def show(self, now: Progress) -> None:
        name = now.resource
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, text="")
            self._rates[name] = _Rate()
        total = None if now.total is None else max(now.total, now.rows)
        rows = self._rates[name].of(now.seconds, now.rows)
        requests = self._requests.of(now.seconds, now.requests)
        text = _text(now, total, rows, requests, self._limit)
        self._bars.update(self._tasks[name], completed=now.rows, total=total, text=text)


def _text(now: Progress, total: int | None, rows: float, requests: float, limit: float) -> str:
    """What stands behind a bar."""
    about = f" of ~{total:,}" if total is not None and total > now.rows else ""
    allowed = f" of {limit:g}" if limit != float("inf") else ""
    parts = [
        f"{now.rows:,}{about} rows",
        f"{now.pages:,} pages",
        f"{rows:,.0f} rows/s",
        f"{requests:.1f}{allowed} requests/s",
        f"{now.windows} windows" if now.windows > 1 else "",
        _left(0 if total is None else total - now.rows, rows),
        _STAGES[now.stage],
    ]
    return "  ".join(part for part in parts if part)


def _left(rows: int, rate: float) -> str:
    if rows <= 0 or rate <= 0:
        return ""
    minutes, seconds = divmod(round(rows / rate), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"


class _Rate:
    """How fast a counter has grown in the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, seconds: float, count: int) -> float:
        """Note the counter. Returns its growth per second."""
        self._seen.append((seconds, count))
        while len(self._seen) > 2 and self._seen[1][0] < seconds - _SPAN:
            self._seen.popleft()
        then, before = self._seen[0]
        # The first page has taken its time, too.
        if len(self._seen) == 1 or seconds <= then:
            return count / seconds if seconds > 0 else 0.0
        return (count - before) / (seconds - then)
