"""Calendar arithmetic on Unix seconds, UTC."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

_SECONDS = {"day": 86_400, "week": 7 * 86_400}


def add_period(start: int, count: int, unit: str) -> int:
    """``start`` plus ``count`` days, weeks, months or years; the 31st becomes the last day of a short month."""
    if unit in _SECONDS:
        return start + count * _SECONDS[unit]
    at = datetime.fromtimestamp(start, UTC)
    months = at.year * 12 + at.month - 1 + count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    day = min(at.day, calendar.monthrange(year, month)[1])
    return int(at.replace(year=year, month=month, day=day).timestamp())


def terms(start: int, until: int, count: int, unit: str) -> list[tuple[int, int]]:
    """The billing terms from ``start`` whose beginning is not after ``until``, at least one."""
    found: list[tuple[int, int]] = []
    begin = start
    while begin <= until or not found:
        # Counted from the first start, so that a 31st stays a 31st.
        end = add_period(start, count * (len(found) + 1), unit)
        found.append((begin, end))
        begin = end
    return found


def iso(at: float) -> str:
    """``2026-01-01T00:00:00.000000Z``, as the control plane writes times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
