"""Lists to read: rows over three years in the shapes that real ones have, a server of them without a network, and a run
of the plan in which answers come in any order."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable
from itertools import pairwise
from random import Random

import attrs

from aiochargebee_gw._axis import Mark
from aiochargebee_gw._window import ParallelState
from aiochargebee_gw.windows import Ask, AskEnd, Part, Plan

BEGIN = 1_577_836_800  # 2020-01-01
YEARS = 3 * 365 * 86_400
HOUR = 3600
NONE = 10**10

Row = tuple[int, int]
"""A moment, below 0 for none, and a number."""

SHAPES: dict[str, Callable[[Random], float]] = {
    "uniform": lambda random: random.uniform(0, YEARS),
    "growing": lambda random: random.triangular(0, YEARS, YEARS),
    "month-start": lambda random: random.randrange(36) * YEARS / 36 + random.uniform(0, 6 * HOUR),
    "import-spike": lambda random: random.choice((random.uniform(0, YEARS), YEARS / 3 + random.uniform(0, HOUR))),
    "one-hot-second": lambda random: random.choice((random.uniform(0, YEARS), YEARS // 2)),
    "one-second": lambda random: YEARS / 2,
}


def moments(shape: str, count: int) -> list[int]:
    """*count* seconds."""
    random = Random(shape)
    return [BEGIN + int(SHAPES[shape](random)) for _ in range(count)]


@attrs.define
class Server:
    """A list with keyset cursors, sorted by moment and number; *strict* says whether `after` and `before` leave out the
    moment that they name. Rows without a moment come first, or *last*."""

    rows: list[Row]
    page_rows: int = 100
    strict: bool = True
    last: bool = False
    requests: int = 0
    refused: set[str] = attrs.field(factory=set)

    @classmethod
    def of(cls, seconds: list[int], page_rows: int = 100, *, strict: bool = True) -> Server:
        return cls(sorted((second, number) for number, second in enumerate(seconds)), page_rows, strict)

    def page(self, ask: Ask) -> tuple[list[Mark], str | None]:
        """The marks of the page that is asked for and the cursor of the next one."""
        found, cursor = self.rows_of(ask.after, ask.before, ask.cursor)
        return [mark(row) for row in found], cursor

    def rows_of(self, after: int | None, before: int | None, cursor: str | None) -> tuple[list[Row], str | None]:
        """The same as rows."""
        self.requests += 1
        rows = self._sorted()
        begin, end = 0, len(rows)
        if after is not None:
            begin = bisect.bisect_left(rows, (after + self.strict, -1), key=self._key)
        if before is not None:
            end = bisect.bisect_left(rows, (before + (not self.strict), -1), key=self._key)
        elif after is not None:
            end = bisect.bisect_left(rows, (NONE, -1), key=self._key)
        if cursor is not None:
            begin = max(begin, bisect.bisect_right(rows, self._key(tuple(json.loads(cursor))), key=self._key))
        found = rows[begin : max(begin, end)][: self.page_rows]
        return found, json.dumps(found[-1]) if begin + len(found) < end else None

    def end(self) -> list[Mark]:
        """The mark of the last row."""
        self.requests += 1
        return [mark(row) for row in self._sorted()[-1:]]

    def _sorted(self) -> list[Row]:
        return sorted(self.rows, key=self._key) if self.last else self.rows

    def _key(self, row: Row) -> Row:
        return (NONE if self.last and row[0] < 0 else row[0]), row[1]


def mark(row: Row) -> Mark:
    """How the plan sees a row."""
    return (row[0] if row[0] >= 0 else None), f"r{row[1]}"


def ids(rows: list[Row]) -> list[str]:
    """The ids of rows, sorted."""
    return sorted(f"r{number}" for _, number in rows)


FRESH = ParallelState(query="q", field="created_at", split=True)


def plan_of(server: Server, workers: int, state: ParallelState = FRESH, *, ordered: bool = False) -> Plan:
    """A plan for a server's list."""
    return Plan(state, label="GET /list", page_rows=server.page_rows, workers=workers, ordered=ordered)


@attrs.define
class Run:
    """A plan carried out: of the answers under way, *choose* says which comes next."""

    plan: Plan
    server: Server
    workers: int
    choose: Callable[[int], int] = lambda under_way: 0
    meanwhile: Callable[[], None] = lambda: None
    seen: list[str | None] = attrs.field(factory=list)
    parts: list[Part] = attrs.field(factory=list)
    windows: set[int] = attrs.field(factory=set)
    peak: int = 0

    def go(self, until: int | None = None) -> ParallelState:
        """Run to the end, or until so many pages were delivered; gives what is left then."""
        flying: list[Ask | AskEnd] = []
        while not self.plan.finished and (until is None or len(self.parts) < until):
            while len(flying) < self.workers and (ask := self.plan.ask()) is not None:
                flying.append(ask)
            self.peak = max(self.peak, len(flying))
            self.check_disjoint()
            self.meanwhile()
            self.answer(flying.pop(self.choose(len(flying))))
        return self.plan.state()

    def answer(self, ask: Ask | AskEnd) -> None:
        """Bring the answer to a request."""
        if isinstance(ask, AskEnd):
            self.plan.found_end(self.server.end())
        elif ask.cursor in self.server.refused:
            self.server.requests += 1
            self.server.refused.discard(ask.cursor or "")
            assert self.plan.expired(ask)
        else:
            self.windows.add(ask.window)
            part = self.plan.take(ask, *self.server.page(ask))
            self.plan.deliver(part)
            self.parts.append(part)
            self.seen += part.ids

    def check_disjoint(self) -> None:
        """Windows share no second."""
        ranges = [(window.low, window.high) for window in self.plan.state().windows]
        for (_, high), (low, _) in pairwise(ranges):
            assert high is not None
            assert low is not None
            assert high < low
