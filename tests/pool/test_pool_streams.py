"""Streams that are left in every way, and consumers that take their time."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import anyio
import psutil
import pytest

from aiochargebee_gw import Gateway
from aiochargebee_gw.sandbox import Sandbox

from .server import Seen, serving, settings_of

pytestmark = pytest.mark.anyio

LEAVES = ("break", "error", "cancel", "del", "prefetch")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Thirty customers: six pages of five."""
    async with Sandbox(records=30, seed=7) as running:
        yield running


async def _leave(gw: Gateway, how: str) -> None:
    """Begin a stream, and leave it in the middle of its second page."""
    customers = gw.customers.list(limit=5)
    if how == "prefetch":
        async with customers.prefetch(2) as ahead:
            async for _ in ahead:
                return
    stream = aiter(customers)
    for _ in range(7):
        await anext(stream)
    if how == "error":
        raise ZeroDivisionError
    if how == "cancel":
        task = asyncio.create_task(_rest(gw))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if how == "del":
        del stream
    # Else it is left as `break` leaves it: nobody closes it.


async def _rest(gw: Gateway) -> None:
    async for _ in gw.customers.list(limit=5):
        pass


async def _leave_many(gw: Gateway, count: int) -> None:
    for number in range(0, count, 20):
        leaving = (_leave(gw, LEAVES[(number + one) % len(LEAVES)]) for one in range(20))
        for result in await asyncio.gather(*leaving, return_exceptions=True):
            assert result is None or isinstance(result, ZeroDivisionError)


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.soak)])
async def test_streams_that_are_left_leave_nothing(
    sandbox: Sandbox, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Streams left by break, an error, a cancellation, `del` or in the middle of a prefetch: no connection is held, no
    task is left, no file descriptor is lost, and the loop in debug mode complains of nothing."""
    loop, process = asyncio.get_running_loop(), psutil.Process()
    loop.set_debug(True)
    tasks = asyncio.all_tasks()
    with caplog.at_level(logging.WARNING, "asyncio"):
        async with Gateway(sandbox.api_key, settings=settings_of(sandbox.gateway_url)) as gw:
            await _leave_many(gw, 20)
            gc.collect()
            files = process.num_fds()
            await _leave_many(gw, count)
            gc.collect()
            await anyio.wait_all_tasks_blocked()
            connector = gw._transport._sessions[loop].session.connector  # type: ignore[attr-defined]
            assert len(connector._acquired) == 0
            # At the most 20 connections are kept open, each with two ends in this process.
            assert abs(process.num_fds() - files) <= 2 * 20 + 2
            opened = connector
        assert opened.closed
        await anyio.wait_all_tasks_blocked()
    # A machine that is busy makes the loop complain of callbacks that took long.
    assert [message for message in caplog.messages if not message.startswith("Executing")] == []
    assert len(asyncio.all_tasks() - tasks) == 0


async def test_a_response_that_is_left_holds_its_connection() -> None:
    """The naive form: a generator that yields while its answer is open holds a connection until it is collected."""

    async def half(seen: Seen) -> bytes | None:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"

    async with serving(half) as server, aiohttp.ClientSession() as session:

        async def parts() -> AsyncGenerator[bytes, None]:
            async with session.get(server.url) as answer:
                async for part in answer.content.iter_any():
                    yield part

        left = parts()
        await anext(left)
        connector = session.connector
        assert connector is not None
        assert len(connector._acquired) == 1
        await left.aclose()


@pytest.mark.parametrize("how", ["stream", "prefetch"])
async def test_a_slow_consumer_holds_nothing(sandbox: Sandbox, how: str) -> None:
    """While a consumer has a record in hand, no connection and no permit is held and no deadline runs; calls from the
    loop's body go through with a concurrency of one. The consumer is never cancelled."""
    settings = settings_of(sandbox.gateway_url, concurrency=1)
    async with Gateway(sandbox.api_key, settings=settings) as gw, asyncio.timeout(30):
        seen = 0
        opened = None

        async def take() -> None:
            nonlocal seen, opened
            seen += 1
            await gw.customers.list(limit=1)
            opened = gw._transport._sessions[asyncio.get_running_loop()]  # type: ignore[attr-defined]
            if how == "stream":
                assert not opened.session.connector._acquired
                assert not opened.deadlines._open

        if how == "stream":
            async for _ in gw.customers.list(limit=5):
                await take()
        else:
            async with gw.customers.list(limit=5).prefetch(1) as stream:
                async for _ in stream:
                    await take()
        assert seen == 30
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_permit_that_is_held_across_a_yield_locks_up(sandbox: Sandbox) -> None:
    """The naive form: a generator that yields inside its semaphore, and a call in the loop's body that wants it too,
    wait for each other for ever."""
    permits = asyncio.Semaphore(1)

    async def call() -> None:
        async with permits:
            await asyncio.sleep(0)

    async def rows() -> AsyncIterator[int]:
        async with permits:
            yield 1

    async def consume() -> None:
        async for _ in rows():
            await call()

    task = asyncio.create_task(consume())
    await anyio.wait_all_tasks_blocked()
    assert not task.done()
    assert permits.locked()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
