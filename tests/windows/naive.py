"""Splitting a list as one would at first: rows are lost, come twice, or are read by one worker alone."""

from __future__ import annotations

from itertools import pairwise

from tests.windows.lists import Row, Server

Ids = list[str]


def fixed_windows(server: Server, count: int) -> list[Ids]:
    """Equal spans of time, each `after` its beginning and `before` its end: what lies on an edge is in none."""
    low, high = server.rows[0][0] - 1, server.rows[-1][0] + 1
    edges = [low + (high - low) * number // count for number in range(count + 1)]
    return [_walk(server, after, before) for after, before in pairwise(edges)]


def closed_windows(server: Server, count: int) -> list[Ids]:
    """The same with both ends included: what lies on an edge is in two."""
    low, high = server.rows[0][0], server.rows[-1][0]
    edges = [low + (high - low) * number // count for number in range(count + 1)]
    return [_walk(server, after - 1, before + 1) for after, before in pairwise(edges)]


def _walk(server: Server, after: int, before: int) -> Ids:
    found: Ids = []
    rows, cursor = server.rows_of(after, before, None)
    found += _ids(rows)
    while cursor is not None:
        rows, cursor = server.rows_of(after, before, cursor)
        found += _ids(rows)
    return found


def moving_start(server: Server) -> Ids:
    """A cursor that is a position, kept while the query's beginning moves on: what Estuary's connector once did."""
    found: Ids = []
    after, position = -1, 0
    while True:
        rows = [row for row in server.rows if row[0] > after][position : position + server.page_rows]
        if not rows:
            return found
        found += _ids(rows)
        position += len(rows)
        after = rows[0][0]


def _ids(rows: list[Row]) -> Ids:
    return [f"r{number}" for _, number in rows]
