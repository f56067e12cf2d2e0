"""Streams under cancellation, errors and misuse: nothing is lost, nothing comes twice, no error looks like an end."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.lowlevel
import pytest

from aiochargebee_gw import ConfigurationError, Gateway, Limits, Retry, Settings, Stream, errors
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.records import Customer
from aiochargebee_gw.transport.memory import MemoryTransport

pytestmark = pytest.mark.anyio

PAGES = 5
EVERYTHING = [f"c{number}" for number in range(PAGES * 3)]


class Server:
    """Five pages of three customers; `broken` answers some of them in another way, `ticks` is a page's latency in turns
    of the loop."""

    def __init__(self) -> None:
        self.broken: dict[int, list[bytes | int]] = {}
        self.ticks = 3
        self.asked: list[int] = []

    async def __call__(self, request: Request) -> Response:
        offset = parse_qs(urlsplit(request.url).query).get("offset", ["0"])[0]
        number = int(offset)
        self.asked.append(number)
        for _ in range(self.ticks):
            await anyio.lowlevel.checkpoint()
        if self.broken.get(number):
            odd = self.broken[number].pop(0)
            status, body = (odd, b'{"api_error_code": "x"}') if isinstance(odd, int) else (200, odd)
            return Response(status=status, headers={}, body=body)
        rows = [{"customer": {"id": f"c{number * 3 + row}"}} for row in range(3)]
        page = {"list": rows} | ({"next_offset": str(number + 1)} if number + 1 < PAGES else {})
        return Response(status=200, headers={}, body=json.dumps(page).encode())


@pytest.fixture
def server() -> Server:
    """A server that answers from memory."""
    return Server()


@pytest.fixture
async def gw(server: Server) -> AsyncIterator[Gateway]:
    """A client of it, without limits and second attempts."""
    settings = Settings(limits=Limits(account_per_second=math.inf), retry=Retry.none())
    async with Gateway("k", settings=settings, transport=MemoryTransport(server)) as client:
        yield client


async def _impatient(stream: Stream[Customer], patience: int) -> list[str]:
    """Consumes with a wait that is cancelled every few turns of the loop, and goes on."""
    seen = []
    while True:
        task = asyncio.ensure_future(anext(stream))
        for _ in range(patience):
            await asyncio.sleep(0)
        task.cancel()
        try:
            seen.append((await task).id)
        except asyncio.CancelledError:
            continue
        except StopAsyncIteration:
            return seen


@pytest.mark.parametrize("patience", [8, 10, 13, 17, 23, 40])
@pytest.mark.parametrize("ahead", [0, 1, 3])
async def test_cancelling_the_wait_loses_no_row(gw: Gateway, ahead: int, patience: int) -> None:
    """A consumer whose wait for the next item is cancelled again and again still sees every row once, in order."""
    pages = gw.customers.list()
    if ahead:
        async with pages.prefetch(ahead) as stream:
            assert await _impatient(stream, patience) == EVERYTHING
    elif patience > 30:
        # Without a task of its own, a cancelled fetch starts anew: it must be given the time it takes.
        assert await _impatient(pages.__aiter__(), patience) == EVERYTHING


async def test_a_channel_loses_rows_to_cancellation(gw: Gateway) -> None:
    """The baseline: handing pages over through a memory stream with a pause behind it loses what was in the hand."""
    send, receive = anyio.create_memory_object_stream[str](20)
    for item in EVERYTHING:
        send.send_nowait(item)
    send.close()

    async def take() -> str:
        item = await receive.receive()
        await anyio.lowlevel.checkpoint()
        return item

    seen = []
    while True:
        task = asyncio.ensure_future(take())
        for _ in range(2):
            await asyncio.sleep(0)
        task.cancel()
        try:
            seen.append(await task)
        except asyncio.CancelledError:
            continue
        except anyio.EndOfStream:
            break
    receive.close()
    assert len(seen) < len(EVERYTHING)


@pytest.mark.parametrize("ahead", [0, 1, 2, 9])
async def test_an_error_is_never_an_end(gw: Gateway, server: Server, ahead: int) -> None:
    """A page that fails raises, then is asked for again when the consumer goes on: plain and prefetched alike."""
    server.broken[2] = [403, b"<html>", b'{"list": 5, "next_offset": "3"}']

    async def consume(stream: Stream[Customer]) -> tuple[list[str], list[type[Exception]]]:
        seen, failed = [], list[type[Exception]]()
        while True:
            try:
                seen.append((await anext(stream)).id)
            except StopAsyncIteration:
                return seen, failed
            except errors.GatewayClientError as error:
                failed.append(type(error))
                assert stream.offset == "2"

    if ahead:
        async with gw.customers.list().prefetch(ahead) as stream:
            seen, failed = await consume(stream)
    else:
        seen, failed = await consume(gw.customers.list().__aiter__())
    assert seen == EVERYTHING
    assert failed == [errors.Forbidden, errors.PaginationError, errors.PaginationError]


async def test_a_page_that_stays_broken_is_no_row(gw: Gateway, server: Server) -> None:
    """Whoever skips rows that cannot be read does not circle on a page that cannot: it is another error."""
    server.broken[1] = [b"<html>"] * 50
    seen = []
    with pytest.raises(errors.PaginationError) as caught:
        stream = gw.customers.list().__aiter__()
        while True:
            try:
                seen.append(await anext(stream))
            except errors.DecodeError:
                continue
    assert caught.value.offset == "1"
    assert len(server.asked) == 2


@pytest.mark.parametrize("prefetched", [False, True])
async def test_a_stream_has_one_consumer(gw: Gateway, prefetched: bool) -> None:
    """Two tasks that share a stream would see rows twice: the second one is told so, and no row comes twice."""
    seen: list[str] = []
    refused: list[Exception] = []

    async def consume(stream: Stream[Customer]) -> None:
        try:
            async for record in stream:
                seen.append(record.id)
        except ConfigurationError as error:
            refused.append(error)

    async def both(stream: Stream[Customer]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(consume, stream)
            group.start_soon(consume, stream)

    if prefetched:
        async with gw.customers.list().prefetch(2) as stream:
            await both(stream)
    else:
        await both(gw.customers.list().__aiter__())
    assert seen == EVERYTHING
    assert len(refused) == 1


async def test_a_prefetch_is_used_once(gw: Gateway) -> None:
    """Entering the same prefetch again is refused; a new one starts afresh."""
    prefetch = gw.customers.list().prefetch()
    async with prefetch:
        pass
    with pytest.raises(ConfigurationError):
        await prefetch.__aenter__()
    async with gw.customers.list().prefetch() as stream:
        assert [record.id async for record in stream] == EVERYTHING


@pytest.mark.parametrize("ahead", [1, 2, 3])
async def test_no_more_is_fetched_than_said(gw: Gateway, server: Server, ahead: int) -> None:
    """While one page is in hand, *ahead* pages are fetched, and not one more."""
    async with gw.customers.list().prefetch(ahead) as stream:
        await anext(stream)
        await anyio.wait_all_tasks_blocked()
        assert server.asked == list(range(1 + ahead))


async def test_anothers_cancellation_is_an_error_of_the_fetch(gw: Gateway, server: Server) -> None:
    """A CancelledError that comes out of the transport, with nobody cancelling us, is a lost connection."""
    gone = [True]

    async def cancelled(request: Request) -> Response:
        if "offset=1" in request.url and gone:
            gone.pop()
            raise asyncio.CancelledError
        return await server(request)

    transport = gw._transport
    assert isinstance(transport, MemoryTransport)
    transport._handler = cancelled
    seen: list[str] = []
    async with gw.customers.list().prefetch() as stream:
        with pytest.raises(errors.ConnectionLost):
            async for record in stream:
                seen.append(record.id)
        seen += [record.id async for record in stream]
    assert seen == EVERYTHING


async def test_closing_while_fetching_ends(gw: Gateway, server: Server) -> None:
    """aclose from outside ends a stream whose fetch is under way, with nothing handed out."""
    stream = gw.customers.list().__aiter__()
    task = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await task


@pytest.mark.parametrize("odd", [int, 5, "x", type("Plain", (), {}), list])
async def test_a_class_that_no_row_fits_is_refused_at_once(gw: Gateway, server: Server, odd: Any) -> None:
    """`into=` is checked when the list is made, before anything is sent."""
    with pytest.raises(errors.RequestError, match="into"):
        gw.customers.list(into=odd)
    assert server.asked == []


class Shape(TypedDict):
    """A customer as a dict with known keys."""

    id: str


@dataclass
class Plain:
    """A customer as a dataclass."""

    id: str


@pytest.mark.parametrize("into", [Shape, Plain, dict])
async def test_other_classes_with_fields_are_read_too(gw: Gateway, into: Any) -> None:
    """Rows can be read into dataclasses, TypedDicts and plain dicts."""
    first: Any = await gw.customers.list(into=into).first()
    assert (first["id"] if isinstance(first, dict) else first.id) == "c0"
