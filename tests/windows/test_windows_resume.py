"""What a parallel listing goes on with where rows have no id, and where a server does not do as it is told."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import CursorExpired, Gateway, Limits, Pages, ParallelState, Retry, Settings
from aiochargebee_gw._axis import is_unnamed, marks_of, named
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.transport.memory import MemoryTransport

from .lists import BEGIN

Query = dict[str, str]
Rows = list[dict[str, Any]]
Asked = Callable[[Query], Awaitable[None]]

SETTINGS = Settings(limits=Limits(account_per_second=math.inf, site_per_minute=math.inf), retry=Retry.none())
REFUSED = b'{"api_error_code": "param_wrong_value", "param": "offset", "message": "no"}'


class Site:
    """A list of rows in the order of `created_at`, with positions for cursors. What is no *desc* is sorted upwards
    whatever it was asked for; *on_ask* is awaited with each query and may raise; cursors in `refused` are refused, once
    each."""

    def __init__(self, rows: Rows, *, main: str = "customer", desc: bool = True, on_ask: Asked | None = None) -> None:
        self.rows = rows
        self.main = main
        self.desc = desc
        self.on_ask = on_ask
        self.refused: set[str] = set()
        self.requests = 0

    async def handle(self, request: Request) -> Response:
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}
        self.requests += 1
        if self.on_ask is not None:
            await self.on_ask(query)
        if query.get("offset", "") in self.refused:
            self.refused.discard(query["offset"])
            return Response(status=400, headers={}, body=REFUSED)
        return Response(status=200, headers={}, body=self._page(query))

    def _page(self, query: Query) -> bytes:
        after, before = (int(query.get(f"created_at[{name}]", end)) for name, end in (("after", 0), ("before", 10**10)))
        rows = [row for row in self.rows if after < row.get("created_at", BEGIN) < before]
        if self.desc and "sort_by[desc]" in query:
            rows.reverse()
        begin, limit = int(query.get("offset", "0")), int(query["limit"])
        found: dict[str, Any] = {"list": [{self.main: row} for row in rows[begin : begin + limit]]}
        if begin + limit < len(rows):
            found["next_offset"] = str(begin + limit)
        return json.dumps(found).encode()


@asynccontextmanager
async def client(site: Site) -> AsyncIterator[Gateway]:
    """A client of it, without a network."""
    async with Gateway("k", settings=SETTINGS, transport=MemoryTransport(site.handle)) as gw:
        yield gw


# -- the end


@pytest.mark.anyio
@pytest.mark.parametrize("hot", [1, 40])
async def test_a_list_that_ignores_the_order_is_read_with_one_cursor(
    hot: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that answers upwards where it is asked downwards: each row comes once, and where it can be told the
    log and the stream say why. The naive way believes the row that is shown as the last one and loses all behind it."""
    rows = [{"id": f"r{n}", "created_at": BEGIN + max(0, n - hot)} for n in range(100)]
    site = Site(rows, desc=False)
    with caplog.at_level(logging.WARNING, "aiochargebee_gw"):
        async with client(site) as gw, gw.customers.list(limit=10).parallel(8) as stream:
            found = [row.id async for row in stream]
    assert Counter(found) == Counter(row["id"] for row in rows)
    told = "one cursor: the server does not sort it downwards"
    assert (str(stream.split) == told) is (hot == 1)
    assert ("does not sort it downwards" in caplog.text) is (hot == 1)
    last = json.loads(site._page({"limit": "1", "sort_by[desc]": "created_at"}))["list"][0]["customer"]["created_at"]
    assert len([row for row in rows if row["created_at"] <= last]) < len(rows)


@pytest.mark.anyio
async def test_nobody_waits_for_an_end_that_is_there() -> None:
    """The request for the last row fails when all rows have been handed out: that is no error of the list's."""
    handed_out = asyncio.Event()

    async def on_ask(query: Query) -> None:
        if "sort_by[desc]" in query:
            await handed_out.wait()
            raise OSError("too late")

    site = Site([{"id": f"r{n}", "created_at": BEGIN + n} for n in range(20)], on_ask=on_ask)
    async with client(site) as gw, gw.customers.list(limit=10).parallel(4) as stream:
        found = [(await anext(stream)).id for _ in range(20)]
        handed_out.set()
        while stream._gathering._failed is None:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert len(set(found)) == 20
    assert stream.state.finished


# -- rows without an id


def _texts(rows: Rows) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


async def _in_parts(pages: Pages[Any, Any], sizes: list[int], workers: int) -> tuple[Rows, list[ParallelState]]:
    """The rows of a list that is left behind so many rows, again and again, with its states."""
    found: Rows = []
    states: list[ParallelState] = []
    for size in [*sizes, 10**6]:
        state = None if not states else ParallelState.from_dict(json.loads(json.dumps(states[-1].as_dict())))
        left = size
        async with pages.parallel(workers, resume=state) as stream:
            while left:
                try:
                    found.append(json.loads((await anext(stream)).raw))
                except StopAsyncIteration:
                    break
                left -= 1
        states.append(stream.state)
        assert stream.state.rows == len(found)
    return found, states


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "id": lambda n: {"id": f"r{n}"},
    "empty id": lambda n: {"id": "", "company": f"{n}"},
    "code": lambda n: {"code": f"r{n}"},
    "nothing": lambda n: {"first_name": f"n{n}"},
    "nothing at all": lambda n: {},
}


@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=60),
    step=st.sampled_from([0, 1, 30]),
    sizes=st.lists(st.integers(1, 12), max_size=8),
    limit=st.integers(2, 9),
    workers=st.integers(1, 4),
)
def test_a_state_gives_exactly_the_other_rows(
    kinds: list[str], step: int, sizes: list[int], limit: int, workers: int
) -> None:
    """Whatever names rows, an id, a code or nothing, and were they the same to the last byte: left behind any row and
    gone on with, again and again, a list gives each once."""
    rows = [{**KINDS[kind](n), "created_at": BEGIN + n * step} for n, kind in enumerate(kinds)]

    async def story() -> None:
        async with client(Site(rows)) as gw:
            found, _ = await _in_parts(gw.customers.list(limit=limit), sizes, workers)
        assert _texts(found) == _texts(rows)

    asyncio.run(story())


def test_ids_alone_do_not_tell_where_it_was_left() -> None:
    """The naive state keeps the ids of what was handed out, and those alone: rows without one come again, as often as
    it is gone on with, and who takes less than a page never gets on."""
    rows = [{"code": f"C{n}"} for n in range(30)]

    async def story() -> None:
        async with client(Site(rows, main="coupon_code")) as gw:
            pages = gw.coupon_codes.list(limit=10)
            found, states = await _in_parts(pages, [4] * 8, 1)
            assert _texts(found) == _texts(rows)
            naive, state = list[str](), None
            for _ in range(5):
                async with pages.parallel(1, resume=state) as stream:
                    naive += [(await anext(stream)).code or "" for _ in range(4)]
                ids = tuple(name for name in stream.state.windows[0].ids if name not in naive)
                state = ParallelState.from_dict({**states[0].as_dict(), "windows": [_without(stream.state, ids)]})
            assert naive == ["C0", "C1", "C2", "C3"] * 5

    asyncio.run(story())


def _without(state: ParallelState, ids: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = state.as_dict()["windows"][0]
    return {**found, "ids": list(ids)}


@pytest.mark.anyio
async def test_rows_that_have_a_code_come_once_when_a_cursor_is_refused() -> None:
    """The window's second is read again, and they are known by it."""
    site = Site([{"code": f"r{n}", "created_at": BEGIN + n // 25} for n in range(100)])
    site.refused = {"20", "40", "60"}
    async with client(site) as gw, gw.customers.list(limit=10).parallel(1) as stream:
        found = [json.loads(row.raw)["code"] async for row in stream]
    assert sorted(found) == sorted(row["code"] for row in site.rows)
    assert site.refused != {"20", "40", "60"}


@pytest.mark.anyio
async def test_rows_that_nothing_names_are_not_read_again_when_a_cursor_is_refused() -> None:
    """Nobody could tell them from others that look the same: the listing ends with an error, and no row came twice."""
    site = Site([{"first_name": "same", "created_at": BEGIN + n // 25} for n in range(100)])
    site.refused = {"20"}
    found = 0
    async with client(site) as gw, gw.customers.list(limit=10).parallel(1) as stream:
        with pytest.raises(CursorExpired):
            while True:
                await anext(stream)
                found += 1
    assert found == 20


def test_what_names_a_row() -> None:
    """Its id, else its code; else its page and its bytes: the same when the page is asked for again, others on any
    other page, and each its own. A row that is odd hides nothing of this."""
    body = (
        b'{"list":[{"c":{"id":"a","code":"b","at":5}},{"c":{"code":"b","at":5}},{"c":{"id":"","code":""}},{"c":{}},'
        b'{"c":{}},{"c":{"id":7,"code":"d"}}]}'
    )
    for text in (body, body.replace(b'"code":"d"', b'"code":"d","x":"\\ud83d"')):
        marks = marks_of(text, "c", "at")
        assert marks == [(5, "a"), (5, "b"), (None, None), (None, None), (None, None), (None, "d")]
        found = named(marks, text, "x")
        names = [name or "" for _, name in found]
        assert [at for at, _ in found] == [at for at, _ in marks]
        assert [is_unnamed(name) for name in names] == [False, False, True, True, True, False]
        assert len(set(names)) == 6
        assert named(marks, text, "x") == found
        assert not {name for _, name in named(marks, text, None)[2:5]} & set(names)
    marks = marks_of(b'{"list":[{"c":{"id":"a"}}]}', "c", None)
    assert named(marks, b"not looked at", None) == [(None, "a")]
