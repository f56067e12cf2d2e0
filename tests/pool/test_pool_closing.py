"""Closing a client: what is under way has its time, then it is broken off, and everybody is told the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from aiochargebee_gw import (
    ConfigurationError,
    ConnectionLost,
    Gateway,
    OutcomeUnknown,
    Retry,
    TransportError,
    TruncatedResponse,
)
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw.journal import WriteJournal
from aiochargebee_gw.observe import CallFinished, Event, Retried

from .server import KEY, OK, Seen, at_once, never, serving, settings_of

pytestmark = pytest.mark.anyio

CUSTOMERS = "/api/v2/customers"


class Impatient(SystemClock):
    """A machine's clock on which the five seconds of a closing client are over at once; `asked` keeps them."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        if seconds != 5.0:
            return super().timeout(seconds)
        self.asked.append(seconds)
        return super().timeout(0)


def _start(calls: int, make: Callable[[int], Awaitable[Any]]) -> list[asyncio.Task[Any]]:
    async def call(number: int) -> Any:
        return await make(number)

    return [asyncio.create_task(call(number)) for number in range(calls)]


async def _half(seen: Seen) -> bytes | None:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"


def _names(results: list[Any]) -> dict[str, int]:
    names = [type(result).__name__ for result in results]
    return {name: names.count(name) for name in set(names)}


async def test_a_hundred_calls_in_flight_are_broken_off() -> None:
    """With 100 calls in flight `aclose` waits five seconds by its clock. Then a write that was sent ends as
    `OutcomeUnknown`, a read that was sent as `ConnectionLost`, what was not sent as `ConfigurationError`; the server's
    connections are closed and no task is left."""
    before = asyncio.all_tasks()
    events: list[Event] = []
    async with serving(never) as server:
        clock = Impatient()
        gw = Gateway(KEY, settings=settings_of(server.url), clock=clock, observers=[events.append])
        reads = _start(10, lambda number: gw.call("GET", CUSTOMERS))
        await server.wait_for(10)
        writes = _start(10, lambda number: gw.call("POST", CUSTOMERS, form={"a": number}))
        await server.wait_for(20)
        queued = _start(80, lambda number: gw.call("POST", CUSTOMERS, form={"a": number}))
        await anyio.wait_all_tasks_blocked()
        await gw.aclose()
        assert clock.asked == [5.0]
        assert _names(await asyncio.gather(*reads, return_exceptions=True)) == {"ConnectionLost": 10}
        assert _names(await asyncio.gather(*writes, return_exceptions=True)) == {"OutcomeUnknown": 10}
        assert _names(await asyncio.gather(*queued, return_exceptions=True)) == {"ConfigurationError": 80}
        await server.wait_until_left()
        assert len(server.requests) == 20
    outcomes = [event.outcome for event in events if isinstance(event, CallFinished)]
    assert (outcomes.count("unknown"), outcomes.count("failed")) == (10, 90)
    await anyio.wait_all_tasks_blocked()
    assert asyncio.all_tasks() == before


async def test_a_bare_session_does_not_tell_what_was_sent() -> None:
    """The naive form: a session that is closed under 100 POSTs ends those on the wire with an error of connections, and
    cancels those in its queue, as if somebody had cancelled their tasks."""
    async with serving(never) as server:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20))

        async def post(number: int) -> None:
            async with session.post(server.url, data=b"a=1"):
                pass

        posts = _start(100, post)
        await server.wait_for(20)
        await session.close()
        assert _names(await asyncio.gather(*posts, return_exceptions=True)) == {
            "ServerDisconnectedError": 20,
            "CancelledError": 80,
        }


async def test_calls_that_end_in_time_succeed() -> None:
    """While `aclose` waits, calls under way end as usual, and new ones are refused."""
    gate = asyncio.Event()

    async def gated(seen: Seen) -> bytes | None:
        await gate.wait()
        return OK

    async with serving(gated) as server:
        gw = Gateway(KEY, settings=settings_of(server.url))
        calls = _start(100, lambda number: gw.call("GET", CUSTOMERS))
        await server.wait_for(20)
        closing = asyncio.create_task(gw.aclose())
        await anyio.wait_all_tasks_blocked()
        assert not closing.done()
        with pytest.raises(ConfigurationError, match="closed"):
            await gw.call("GET", CUSTOMERS)
        gate.set()
        await closing
        assert len([call.result() for call in calls]) == 100
        await server.wait_until_left()


async def test_closing_twice_is_closing_once() -> None:
    """`aclose` after `aclose`, and two at the same time, do nothing more; a client that never called closes too."""
    gate = asyncio.Event()

    async def gated(seen: Seen) -> bytes | None:
        await gate.wait()
        return OK

    async with serving(gated) as server:
        gw = Gateway(KEY, settings=settings_of(server.url))
        call = asyncio.create_task(gw.call("GET", CUSTOMERS))
        await server.wait_for(1)
        closings = [asyncio.create_task(gw.aclose()) for _ in range(3)]
        await anyio.wait_all_tasks_blocked()
        gate.set()
        await asyncio.gather(*closings)
        assert (await call)["customer"]
        await gw.aclose()
    await Gateway(KEY, settings=settings_of(server.url)).aclose()


async def test_a_closed_client_can_be_opened_again() -> None:
    """`async with` opens a client that was closed; a copy made by `using` closes nothing."""
    async with serving(at_once) as server:
        gw = Gateway(KEY, settings=settings_of(server.url))
        for _ in range(3):
            async with gw:
                await gw.using("other").aclose()
                await gw.call("GET", CUSTOMERS)
            with pytest.raises(ConfigurationError, match="closed"):
                await gw.call("GET", CUSTOMERS)
        assert server.opened == 3


async def test_a_pause_before_the_next_attempt_is_broken_off() -> None:
    """A call that waits out a `Retry-After` of 100 seconds does not keep a closing client: it ends at once."""

    paused = asyncio.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Retried):
            paused.set()

    async def busy(seen: Seen) -> bytes | None:
        return b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n"

    async with serving(busy) as server:
        settings = settings_of(server.url, retry=Retry(deadline_seconds=7200))
        gw = Gateway(KEY, settings=settings, clock=Impatient(), observers=[watch])
        call = asyncio.create_task(gw.call("GET", CUSTOMERS))
        async with asyncio.timeout(20):
            await paused.wait()
        await anyio.wait_all_tasks_blocked()
        await gw.aclose()
        with pytest.raises(ConfigurationError, match="closed while"):
            await call


async def test_a_cancellation_from_elsewhere_goes_through() -> None:
    """A task that is cancelled by its owner while the client is broken off ends as cancelled."""
    async with serving(never) as server:
        gw = Gateway(KEY, settings=settings_of(server.url), clock=Impatient())
        holding = _start(20, lambda number: gw.call("GET", CUSTOMERS))
        await server.wait_for(20)
        queued = asyncio.create_task(gw.call("GET", CUSTOMERS))
        await anyio.wait_all_tasks_blocked()
        queued.cancel()
        await gw.aclose()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert _names(await asyncio.gather(*holding, return_exceptions=True)) == {"ConnectionLost": 20}


async def test_a_closing_that_is_cancelled_closes_all_the_same() -> None:
    """When `aclose` itself is cancelled it waits no longer, and closes what is open."""
    async with serving(never) as server:
        gw = Gateway(KEY, settings=settings_of(server.url))
        write = asyncio.create_task(gw.call("POST", CUSTOMERS, form={"a": "1"}))
        await server.wait_for(1)
        closing = asyncio.create_task(gw.aclose())
        await anyio.wait_all_tasks_blocked()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(OutcomeUnknown):
            await write
        await server.wait_until_left()


async def test_a_download_is_part_of_the_client() -> None:
    """A download under way is broken off by `aclose`, and none begins on a client that is closed."""
    async with serving(_half) as server:
        gw = Gateway(KEY, settings=settings_of(server.url), clock=Impatient())
        download = asyncio.create_task(gw.download(f"{server.url}/file"))
        await server.wait_for(1)
        await gw.aclose()
        with pytest.raises(TransportError):
            await download
        with pytest.raises(ConfigurationError, match="closed"):
            await gw.download(f"{server.url}/file")


async def test_a_client_that_is_opened_again_waits_again_when_it_is_closed() -> None:
    """The wait of the second `aclose` is its own: a call under way then has its time, and succeeds."""
    gates = [asyncio.Event(), asyncio.Event()]

    async def held(seen: Seen) -> bytes | None:
        await gates[len(server.requests) - 1].wait()
        return OK

    async with serving(held) as server:
        gw = Gateway(KEY, settings=settings_of(server.url))
        for turn, gate in enumerate(gates, 1):
            async with gw:
                call = asyncio.create_task(gw.call("POST", CUSTOMERS, form={"a": "1"}))
                await server.wait_for(turn)
                closing = asyncio.create_task(gw.aclose())
                await anyio.wait_all_tasks_blocked()
                assert not closing.done()
                gate.set()
                await closing
                assert (await call)["customer"]


async def test_what_is_being_read_is_broken_off() -> None:
    """A write, a read and a download of which half the body has come end with `aclose`: the write as `OutcomeUnknown`
    that was likely done, the read as `TruncatedResponse`, the download as `ConnectionLost`."""
    async with serving(_half) as server:
        gw = Gateway(KEY, settings=settings_of(server.url, retry=Retry.none()), clock=Impatient())
        calls: list[Awaitable[Any]] = [
            gw.download(f"{server.url}/file"),
            gw.call("POST", CUSTOMERS, form={"a": "1"}),
            gw.call("GET", CUSTOMERS),
        ]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await server.wait_for(3)
        under_way = gw._caller.engine._home._inside
        async with asyncio.timeout(20):
            while any(  # noqa: ASYNC110 - nothing tells when a head has come
                visit._state is not None and visit._state.trace.phase != "headers" for visit in under_way
            ):
                await asyncio.sleep(0)
            await gw.aclose()
            download, write, read = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(write, OutcomeUnknown)
        assert write.likely_done
        assert isinstance(read, TruncatedResponse)
        assert isinstance(download, ConnectionLost)


async def test_a_bare_session_that_is_closed_reads_for_ever() -> None:
    """Whoever reads a body when an aiohttp session is closed is told nothing."""
    async with serving(_half) as server, aiohttp.ClientSession() as session:
        answer = await session.get(server.url)
        reading = asyncio.create_task(answer.read())
        await anyio.wait_all_tasks_blocked()
        await session.close()
        await server.wait_until_left()
        await anyio.wait_all_tasks_blocked()
        assert not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_download_that_writes_while_the_client_closes_ends() -> None:
    """A download that is not reading when the client is closed ends with its next read."""
    async with serving(_half) as server:
        gw = Gateway(KEY, settings=settings_of(server.url), clock=Impatient())
        async with asyncio.timeout(20), gw._transport.stream(f"{server.url}/file", gw.settings.timeouts) as chunks:
            assert await anext(chunks) == b"1"
            await gw.aclose()
            with pytest.raises(ConnectionLost):
                await anext(chunks)


async def test_files_from_elsewhere_keep_nothing_from_calls() -> None:
    """With as many slow downloads under way as a host gets connections, a call to the gateway gets its own; in a bare
    session of as many connections it would wait for one of them."""
    async with serving(_half) as files, serving(at_once) as server:
        async with Gateway(KEY, settings=settings_of(server.url), clock=Impatient()) as gw:
            downloads = _start(20, lambda number: gw.download(f"{files.url}/{number}"))
            await files.wait_for(20)
            assert (await gw.call("GET", CUSTOMERS))["customer"]
        assert _names(await asyncio.gather(*downloads, return_exceptions=True)) == {"ConnectionLost": 20}

    async with serving(_half) as files, serving(at_once) as server:
        connector = aiohttp.TCPConnector(limit=20)
        async with aiohttp.ClientSession(connector=connector) as session:
            held = [await session.get(f"{files.url}/{number}") for number in range(20)]
            call = asyncio.create_task(session.get(server.url))
            await anyio.wait_all_tasks_blocked()
            assert not call.done()
            assert not server.requests
            call.cancel()
            for answer in held:
                answer.close()


async def test_a_journal_is_let_go_of_with_its_client(tmp_path: Path) -> None:
    """`aclose` breaks a journalled write off and waits until its end is noted: the file is free for the next process,
    also when `aclose` itself is cancelled."""
    for cancelled in (False, True):
        async with serving(never) as server:
            journal = WriteJournal(tmp_path / f"{cancelled}.db")
            gw = Gateway(KEY, settings=settings_of(server.url), clock=Impatient(), journal=journal)
            write = asyncio.create_task(gw.call("POST", CUSTOMERS, form={"a": "1"}))
            await server.wait_for(1)
            closing = asyncio.create_task(gw.aclose())
            if cancelled:
                await asyncio.sleep(0)
                closing.cancel()
            (ended,) = await asyncio.gather(closing, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError) is cancelled
            with pytest.raises(OutcomeUnknown):
                await write
            async with WriteJournal(tmp_path / f"{cancelled}.db") as other:
                assert [found.state async for found in other.pending()] == ["unknown"]
