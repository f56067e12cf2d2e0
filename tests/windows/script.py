"""A plan that is led by hand, page by page: pages of ten rows that a test spreads over seconds as it likes."""

from __future__ import annotations

from collections.abc import Iterable

from aiochargebee_gw._axis import Mark
from aiochargebee_gw._window import ParallelState
from aiochargebee_gw.windows import Ask, Part, Plan

from .lists import BEGIN, FRESH

ROWS = 10


def led(state: ParallelState = FRESH, *, workers: int = 2, ordered: bool = False) -> Plan:
    """A plan of pages of ten rows."""
    return Plan(state, label="GET /list", page_rows=ROWS, workers=workers, ordered=ordered)


def rows(*seconds: int | None, name: str = "r") -> list[Mark]:
    """Marks at seconds behind the beginning, named by them and their place."""
    return [(None if at is None else BEGIN + at, f"{name}{at}-{n}") for n, at in enumerate(seconds)]


def page(first: int, last: int) -> list[Mark]:
    """Ten rows, nine of them in the first half: from one second to another."""
    return rows(*(first + n * (last - first) // 20 for n in range(ROWS - 1)), last)


def asked(plan: Plan, *, room: bool = True) -> Ask:
    """The next request, of a window."""
    ask = plan.ask(room=room)
    assert isinstance(ask, Ask), ask
    return ask


def give(plan: Plan, ask: Ask, marks: list[Mark], cursor: str | None = "c") -> Part:
    """Bring a page and hand it out."""
    part = plan.take(ask, marks, None if cursor is None else f"{cursor}{marks[-1][1] if marks else ask.cursor}")
    plan.deliver(part)
    return part


def opened(end: int, *, first: list[Mark] | None = None, workers: int = 2, ordered: bool = False) -> Plan:
    """A plan that has its first page, ten rows in twenty seconds if not others, and knows the list's last second. Its
    window's next page is under way."""
    plan = led(workers=workers, ordered=ordered)
    give(plan, asked(plan), page(0, 20) if first is None else first)
    plan.ask()
    plan.found_end(rows(end))
    asked(plan)
    return plan


def seconds(given: Iterable[int | None]) -> list[int | None]:
    """Seconds behind the beginning."""
    return [None if at is None else at - BEGIN for at in given]
