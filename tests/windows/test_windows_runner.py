"""`parallel()` against servers on real sockets: every row once, within the limits, whatever interrupts it."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel
import pytest

from aiochargebee_gw import Gateway, Limits, Pages, ParallelState, ParallelStream, Retry, Settings, errors
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.fields import customer
from aiochargebee_gw.records import Customer
from aiochargebee_gw.records.customer import CustomerListRow
from aiochargebee_gw.transport.memory import MemoryTransport
from tests.client.raw import answer
from tests.windows.lists import BEGIN, Server, ids, moments
from tests.windows.served import Served, served

pytestmark = pytest.mark.anyio

UNLIMITED = Limits(account_per_second=math.inf, site_per_minute=math.inf)


@asynccontextmanager
async def client(server: Served, limits: Limits = UNLIMITED, retry: Retry | None = None) -> AsyncIterator[Gateway]:
    settings = Settings(gateway_url=server.url, control_url=server.url, limits=limits, retry=retry or Retry.none())
    async with Gateway("sandbox_key", settings=settings) as gw:
        yield gw


async def _some(stream: ParallelStream[Customer], count: int) -> list[str]:
    found = []
    async for record in stream:
        found.append(record.id)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("shape", ["uniform", "import-spike", "one-hot-second"])
async def test_every_row_comes_once_and_no_request_is_refused(shape: str, ordered: bool) -> None:
    """Eight workers, a server that takes 20 ms and counts 100 requests a second strictly: no 429, each row once, and
    several requests at a time."""
    server = Server.of(moments(shape, 1200), page_rows=20)
    async with (
        served(server, rate=100, latency=0.02) as at,
        client(at, Limits(account_per_second=100)) as gw,
        gw.customers.list(limit=20).parallel(8, ordered=ordered) as stream,
    ):
        found = [record async for record in stream]
    assert sorted(record.id for record in found) == ids(server.rows)
    assert at.refused == 0
    assert 3 <= at.peak <= 8
    if ordered:
        made = [record.created_at for record in found]
        assert made == sorted(made)


@pytest.mark.parametrize("ordered", [False, True])
async def test_it_resumes_behind_any_row(ordered: bool) -> None:
    """Stopped behind any row, even in the middle of a page, a state gives exactly the others."""
    server = Server.of([BEGIN + number // 7 for number in range(200)], page_rows=9)
    async with served(server) as at, client(at) as gw:
        for count in (1, 2, 9, 10, 50, 131, 199, 200):
            pages = gw.customers.list(limit=9)
            async with pages.parallel(4, ordered=ordered) as stream:
                first = await _some(stream, count)
                assert stream.state.rows == count
            state = ParallelState.from_dict(json.loads(json.dumps(stream.state.as_dict())))
            async with pages.parallel(3, ordered=ordered, resume=state) as stream:
                rest = await _some(stream, 1000)
            assert sorted(first + rest) == ids(server.rows)
            assert stream.state.finished
            assert stream.state.rows == 200


async def test_pages_carry_what_remains() -> None:
    """Each page has its window's number and a state that, kept with its rows, is exact: nothing is lost or repeated
    wherever the process dies between two pages."""
    server = Server.of([BEGIN + number // 7 for number in range(200)], page_rows=9)
    async with served(server) as at, client(at) as gw:
        pages = gw.customers.list(limit=9)
        states, rows = [], [0]
        async with pages.parallel_pages(4) as stream:
            async for page in stream:
                assert len(page.documents) == len(page.records) == len(page)
                states.append(page.state)
                rows.append(rows[-1] + len(page))
                assert page.state.rows == rows[-1]
                assert page.state.began == 1_735_689_600
        for state, before in zip(states[::5], rows[1::5], strict=True):
            async with pages.parallel_pages(4, resume=state) as stream:
                assert sum([len(page) async for page in stream]) == 200 - before


async def test_the_first_error_ends_all_and_the_state_remains() -> None:
    """A page that cannot be had ends the requests; the error comes each time anew, and never looks like an end."""
    server = Server.of(moments("uniform", 500), page_rows=9)
    async with served(server) as at, client(at) as gw:
        at.broken[12] = answer(b'{"api_error_code": "internal_error"}', status="500 Server Error")
        found = []
        async with gw.customers.list(limit=9).parallel(4) as stream:
            with pytest.raises(errors.ApiError):
                while True:
                    found.append((await anext(stream)).id)
            requests = len(at.targets)
            with pytest.raises(errors.ApiError):
                await anext(stream)
        assert len(at.targets) == requests
        async with gw.customers.list(limit=9).parallel(4, resume=stream.state) as again:
            found += [record.id async for record in again]
    assert sorted(found) == ids(server.rows)


@asynccontextmanager
async def in_memory(server: Server, cancelled: int | None = None) -> AsyncIterator[tuple[Gateway, MemoryTransport]]:
    """A client of a list without a network; request number *cancelled* is cancelled from elsewhere."""

    async def handle(request: Request) -> Response:
        if len(transport.requests) == cancelled:
            raise asyncio.CancelledError
        query = parse_qs(urlsplit(request.url).query)
        return Response(status=200, headers={}, body=Served(server)._page(query))

    transport = MemoryTransport(handle)
    settings = Settings(limits=UNLIMITED, retry=Retry.none())
    async with Gateway("k", settings=settings, transport=transport) as gw:
        yield gw, transport


@pytest.mark.parametrize("ordered", [False, True])
async def test_pages_that_wait_are_bounded(ordered: bool) -> None:
    """A consumer that does not come lets at most two pages a worker be fetched, eight where the order is kept."""
    async with (
        in_memory(Server.of(moments("uniform", 3000), page_rows=5)) as (gw, transport),
        gw.customers.list(limit=5).parallel(4, ordered=ordered) as stream,
    ):
        await anext(stream)
        for _ in range(2000):
            await anyio.lowlevel.checkpoint()
        # One was handed out, one looked for the end.
        assert 4 < len(transport.requests) <= 4 * (8 if ordered else 2) + 2


async def test_leaving_the_block_ends_all_requests() -> None:
    """Leaving in the middle cancels what is under way, and an error of the consumer's comes out as it is."""
    server = Server.of(moments("uniform", 500), page_rows=5)
    async with served(server) as at, client(at) as gw:
        listing, left = gw.customers.list(limit=5).parallel(4), list[ParallelStream[Customer]]()
        with pytest.raises(KeyError, match="mine"):
            async with listing as stream:
                left.append(stream)
                await anext(stream)
                at.gate = asyncio.Event()
                raise KeyError("mine")
        at.gate = None
        with pytest.raises(StopAsyncIteration):
            await anext(left[0])
        assert not [task for task in asyncio.all_tasks() if "_worker" in repr(task.get_coro())]


async def test_a_cancelled_wait_loses_nothing() -> None:
    """A consumer whose wait for a row is cancelled again and again gets every row once."""
    server = Server.of(moments("uniform", 300), page_rows=9)
    found = []
    async with (
        served(server, latency=0.001) as at,
        client(at) as gw,
        gw.customers.list(limit=9).parallel(4) as stream,
    ):
        while True:
            task = asyncio.ensure_future(anext(stream))
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            try:
                found.append((await task).id)
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
    assert sorted(found) == ids(server.rows)


async def test_an_expired_cursor_is_replaced() -> None:
    """A 400 about `offset` makes the window be read again from its last second on; each row still comes once."""
    server = Server.of([BEGIN + number // 7 for number in range(300)], page_rows=9)
    refusal = answer(b'{"api_error_code": "param_wrong_value", "param": "offset"}', status="400 Bad Request")
    async with served(server) as at, client(at) as gw:
        at.broken = dict.fromkeys((9, 17, 30), refusal)
        async with gw.customers.list(limit=9).parallel(3) as stream:
            found = await _some(stream, 1000)
    assert sorted(found) == ids(server.rows)


async def test_cursors_that_always_expire_end_it() -> None:
    """Where no cursor is ever accepted, the listing ends with `CursorExpired`, and its state remains."""
    server = Server.of([BEGIN] * 100, page_rows=9)
    refusal = answer(b'{"api_error_code": "param_wrong_value", "param": "offset"}', status="400 Bad Request")
    async with served(server) as at, client(at) as gw:
        at.broken = {3: refusal, 5: refusal}  # 2 looks for the end, 4 begins again
        async with gw.customers.list(limit=9).parallel(1) as stream:
            with pytest.raises(errors.CursorExpired):
                await _some(stream, 1000)
        assert not stream.state.finished


async def test_a_cancellation_from_elsewhere_is_an_error() -> None:
    """A fetch that somebody else cancels ends the listing with an error, not with silence; the state goes on."""
    server = Server.of([BEGIN + number for number in range(40)], page_rows=9)
    async with in_memory(server, cancelled=3) as (gw, _):
        found = []
        async with gw.customers.list(limit=9).parallel(1) as stream:
            with pytest.raises(errors.ConnectionLost, match="elsewhere"):
                while True:
                    found.append((await anext(stream)).id)
        async with gw.customers.list(limit=9).parallel(1, resume=stream.state) as again:
            found += [record.id async for record in again]
    assert sorted(found) == ids(server.rows)


async def test_the_longest_window_goes_before_its_own_priority_only() -> None:
    """Its calls go before other calls of the same priority, and behind those of a higher one."""
    async with served(Server([])) as at, client(at) as gw:
        draft = gw.customers.list()._draft
        callers = [gw.with_options(priority=name)._caller for name in ("web", "reconcile", "export")]
        ranks = [one._gateway_call(draft, {}, None).rank for caller in callers for one in (caller.ahead(), caller)]
    assert ranks == sorted(set(ranks))


async def test_what_does_not_fit_is_refused_before_anything_is_sent() -> None:
    """Another list's state, an `offset`, an order that no window has, a number of workers that is none."""
    async with served(Server([])) as at, client(at) as gw:
        state = ParallelState(query="another", field="created_at", split=True)
        wrong: list[tuple[str, Pages[Customer, CustomerListRow], dict[str, object]]] = [
            ("state", gw.customers.list(), {"resume": state}),
            ("state", gw.customers.list(), {"resume": "else"}),
            ("offset", gw.customers.list(offset="o"), {}),
            ("order_by", gw.customers.list(order_by=customer.created_at.desc()), {}),
            ("workers", gw.customers.list(), {"workers": 0}),
        ]
        for text, pages, options in wrong:
            with pytest.raises(errors.RequestError, match=text):
                pages.parallel(**options)  # type: ignore[arg-type]
        async with (listing := gw.customers.list().parallel()) as stream:
            assert [found async for found in stream] == []
        with pytest.raises(errors.ConfigurationError, match="parallel"):
            async with listing:
                pass
        assert len(at.targets) == 1


async def test_a_list_that_cannot_be_split_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """One cursor is followed where no time field can be sorted by and filtered by; the log and the stream tell it."""
    rows = answer(b'{"list": [{"item_family": {"id": "f", "name": "n", "status": "active"}}]}')
    async with served(Server([])) as at, client(at) as gw:
        at.broken[1] = rows
        with caplog.at_level(logging.WARNING, "aiochargebee_gw"):
            async with gw.item_families.list().parallel() as stream:
                assert [family.id async for family in stream] == ["f"]
    assert str(stream.split).startswith("one cursor: no time field")
    assert "one cursor" in caplog.text
