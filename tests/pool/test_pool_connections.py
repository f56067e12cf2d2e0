"""Which connection a request goes out on, how far it has come, and what is left when it is broken off."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from aiochargebee_gw import ConfigurationError, ConnectFailed, Gateway, Timeouts, TransportError
from aiochargebee_gw._wire.message import Request
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.pool import Pool

from .server import KEY, OK, Seen, Server, at_once, never, pool_of, serving, settings_of

pytestmark = pytest.mark.anyio

TIMEOUTS = Timeouts(connect_seconds=10, read_seconds=30)


class Watched(Trace):
    """A trace that keeps every phase that it was told of."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase":
            self.phases.append(value)
        super().__setattr__(name, value)


def _request(server: Server, method: str = "GET", body: bytes | None = None) -> Request:
    return Request(method=method, url=f"{server.url}/x", headers={}, body=body, label=f"{method} /x")


async def _send(pool: Pool, server: Server, method: str = "GET", body: bytes | None = None) -> None:
    await pool.send(_request(server, method, body), TIMEOUTS, Trace())


@asynccontextmanager
async def _closing(pool: Pool) -> AsyncIterator[Pool]:
    try:
        yield pool
    finally:
        await pool.aclose()


def _connector(pool: Pool) -> Any:
    return pool._sessions[asyncio.get_running_loop()].session.connector


class Now:
    """A clock for idle connections."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


async def _shuts_idle_connections(seen: Seen) -> bytes | None:
    # The second request of a connection crosses the close on its way.
    return OK if seen.turn == 1 else None


async def test_a_write_goes_out_on_a_young_connection() -> None:
    """A POST reuses a connection that was handed out less than two seconds ago, and closes an older one for a new."""
    now = Now()
    async with serving() as server, _closing(pool_of(server.url, now)) as pool:
        await _send(pool, server)
        now.at += 1.9
        await _send(pool, server, "POST", b"a=1")
        assert [seen.connection for seen in server.requests] == [1, 1]
        now.at += 2.0
        await _send(pool, server, "POST", b"a=1")
        assert [seen.connection for seen in server.requests] == [1, 1, 2]
        assert server.opened == 2


async def test_a_read_goes_out_on_any_connection_that_is_kept() -> None:
    """A GET reuses a connection that a POST would not take."""
    now = Now()
    async with serving() as server, _closing(pool_of(server.url, now)) as pool:
        await _send(pool, server)
        now.at += 14
        await _send(pool, server)
        assert server.opened == 1


async def test_a_write_does_not_cross_the_close_of_an_idle_connection() -> None:
    """Where the server closes idle connections, a POST after a pause is answered and seen once. A bare session sends it
    into the close: it fails, although the server saw it."""
    now = Now()
    async with serving(_shuts_idle_connections) as server, _closing(pool_of(server.url, now)) as pool:
        await _send(pool, server)
        now.at += 5
        await _send(pool, server, "POST", b"a=1")
        assert [seen.method for seen in server.requests] == ["GET", "POST"]
    async with serving(_shuts_idle_connections) as server, aiohttp.ClientSession() as session:
        async with session.get(server.url) as answer:
            await answer.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(server.url, data=b"a=1")
        assert [seen.method for seen in server.requests] == ["GET", "POST"]


async def test_every_old_connection_makes_way_for_a_write() -> None:
    """With many idle connections a POST passes over all that are old, and takes the young one."""
    now, gate = Now(), asyncio.Event()

    async def together(seen: Seen) -> bytes | None:
        await gate.wait()
        return OK

    async with serving(together) as server, _closing(pool_of(server.url, now)) as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(_send(pool, server))
            await server.wait_for(5)
            gate.set()
        now.at += 10
        await _send(pool, server)
        now.at += 1
        await _send(pool, server, "POST", b"a=1")
        assert server.requests[-1].connection == server.requests[-2].connection
        assert server.opened == 5
        assert len(_connector(pool)._handed) <= 5


async def test_two_hundred_calls_share_twenty_connections() -> None:
    """200 GETs at once through one pool open at most 20 connections; a bare session opens 100."""
    async with serving() as server:
        async with Gateway(KEY, settings=settings_of(server.url)) as gw:
            await asyncio.gather(*(gw.call("GET", "/api/v2/customers") for _ in range(200)))
        assert len(server.requests) == 200
        assert server.opened <= 20
    async with serving() as server, aiohttp.ClientSession() as session:

        async def get() -> None:
            async with session.get(server.url) as answer:
                await answer.read()

        await asyncio.gather(*(get() for _ in range(200)))
        assert server.opened == 100


async def test_two_hundred_tenants_share_twenty_connections() -> None:
    """Clients of 200 connections made by `using` share the pool's 20 sockets; a client for each opens 200."""
    async with serving() as server:
        settings = settings_of(server.url)
        async with Gateway(KEY, settings=settings) as gw:
            tenants = [gw.using(f"tenant-{number}") for number in range(200)]
            await asyncio.gather(*(tenant.call("GET", "/api/v2/customers") for tenant in tenants))
        names = {line for seen in server.requests for line in seen.head.split(b"\r\n") if b"Maton-Connection" in line}
        assert len(names) == 200
        assert server.opened <= 20
    async with serving() as server:

        async def alone(number: int) -> None:
            async with Gateway(KEY, connection=f"tenant-{number}", settings=settings_of(server.url)) as one:
                await one.call("GET", "/api/v2/customers")

        await asyncio.gather(*(alone(number) for number in range(200)))
        assert server.opened == 200


async def test_a_tenant_that_hangs_leaves_connections_to_others() -> None:
    """A site that answers nothing gets 15 of the 20 connections where there are several sites, however much is asked of
    it; without such a rule it gets all of them, and the others wait until it times out."""

    async def one_hangs(seen: Seen) -> bytes | None:
        return await never(seen) if b"hangs" in seen.head else OK

    async with serving(one_hangs) as server, Gateway(KEY, settings=settings_of(server.url, concurrency=40)) as gw:
        good, bad = gw.using("good"), gw.using("hangs")
        await good.call("GET", "/api/v2/customers")
        calls = [asyncio.create_task(bad.call("GET", "/api/v2/customers")) for _ in range(40)]
        await server.wait_for(16)
        async with asyncio.timeout(20):
            await good.call("GET", "/api/v2/customers")
        assert len(server.requests) == 1 + 15 + 1
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async with serving(one_hangs) as server, _closing(pool_of(server.url)) as pool:
        hangs = Request(method="GET", url=f"{server.url}/x", headers={"Maton-Connection": "hangs"}, label="x")
        sends = [asyncio.create_task(pool.send(hangs, TIMEOUTS, Trace())) for _ in range(40)]
        await server.wait_for(20)
        other = asyncio.create_task(_send(pool, server))
        await anyio.wait_all_tasks_blocked()
        assert not other.done()
        for task in (*sends, other):
            task.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        await asyncio.gather(other, return_exceptions=True)


async def test_the_trace_tells_every_phase() -> None:
    """An attempt is unsent, connected, sent, and then has headers, in this order, on a new and on a kept connection."""
    async with serving() as server, _closing(pool_of(server.url)) as pool:
        for method, body in (("GET", None), ("GET", None), ("POST", b"a=1"), ("POST", b"x" * 2_000_000)):
            trace = Watched()
            await pool.send(_request(server, method, body), TIMEOUTS, trace)
            assert trace.phases == ["unsent", "connected", "sent", "headers"]
            assert trace.received_bytes > 0


async def test_nothing_is_sent_while_a_call_waits_for_a_connection() -> None:
    """Behind 20 calls that hold every connection, the 21st is unsent, also after it was cancelled."""
    async with serving(never) as server, _closing(pool_of(server.url)) as pool:
        holding = [asyncio.create_task(_send(pool, server)) for _ in range(20)]
        await server.wait_for(20)
        trace = Watched()
        task = asyncio.create_task(pool.send(_request(server, "POST", b"a=1"), TIMEOUTS, trace))
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert trace.phases == ["unsent"]
        assert len(server.requests) == 20
        for one in holding:
            one.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://127.0.0.1:{port}/x"])
async def test_an_attempt_without_a_connection_is_unsent(url: str) -> None:
    """A refused connection and a failed TLS handshake leave the attempt unsent, and say so."""
    async with serving(never) as server, _closing(pool_of(server.url)) as pool:
        there = url.format(port=server.url.rpartition(":")[2])
        pool._credentials._prefixes = (there,)
        trace = Watched()
        with pytest.raises(TransportError) as caught:
            await pool.send(Request(method="GET", url=there, headers={}, label="x"), Timeouts(connect_seconds=1), trace)
        assert not caught.value.sent
        assert trace.phases == ["unsent"]


async def test_a_body_that_is_half_written_is_sent() -> None:
    """A POST that is broken off while its body leaves counts as sent: the server may act upon what it has."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100)
        some.set()
        await over.wait()
        writer.transport.abort()

    some, over = asyncio.Event(), asyncio.Event()
    listening = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        request = Request(method="POST", url=f"{url}/x", headers={}, body=b"x" * 20_000_000, label="x")
        async with _closing(pool_of(url)) as pool:
            cancelled, reset = Watched(), Watched()
            for trace in (cancelled, reset):
                some.clear()
                task = asyncio.create_task(pool.send(request, TIMEOUTS, trace))
                await some.wait()
                if trace is cancelled:
                    task.cancel()
                else:
                    over.set()
                [error] = await asyncio.gather(task, return_exceptions=True)
                assert isinstance(error, asyncio.CancelledError | TransportError)
                assert trace.phases == ["unsent", "connected", "sent"]


async def test_an_attempt_ends_at_its_deadline() -> None:
    """The whole answer has `read_seconds`, also where single bytes keep coming; the error says that it was sent."""
    drip = asyncio.Event()

    async def dripping(seen: Seen) -> bytes | None:
        drip.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"

    async with serving(dripping) as server, _closing(pool_of(server.url)) as pool:
        trace = Watched()
        with pytest.raises(TransportError) as caught:
            await pool.send(_request(server), Timeouts(read_seconds=0.1), trace)
        assert caught.value.sent
        assert type(caught.value).__name__ == "RequestTimeout"
        assert drip.is_set()
        assert trace.phases[-1] == "headers"
        assert not _connector(pool)._acquired


async def test_deadlines_end_one_by_one_and_leave_no_timer() -> None:
    """A short deadline behind long ones ends its own attempt alone, and a pool that is closed keeps no timer."""
    async with serving(never) as server, _closing(pool_of(server.url)) as pool:
        long = [asyncio.create_task(_send(pool, server)) for _ in range(3)]
        await server.wait_for(3)
        for _ in range(2):
            with pytest.raises(TransportError):
                await pool.send(_request(server), Timeouts(read_seconds=0.05), Trace())
        assert not any(task.done() for task in long)
        deadlines = pool._sessions[asyncio.get_running_loop()].deadlines
        assert len(deadlines._open) == 3
        await pool.aclose()
        await asyncio.gather(*long, return_exceptions=True)
        assert deadlines._timer is None
        assert not deadlines._open


async def _broken_off(pool: Pool, server: Server, calls: int) -> None:
    """*calls* requests, every second a POST, cancelled in as many places of the loop as they have."""
    tasks = []
    for number in range(calls):
        method, body = ("POST", b"x" * (number * 1000)) if number % 2 else ("GET", None)
        task = asyncio.create_task(_send(pool, server, method, body))
        asyncio.get_running_loop().call_soon(_later, number % 23, task)
        tasks.append(task)
        if number % 40 == 39:
            await asyncio.gather(*tasks, return_exceptions=True)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert any(isinstance(result, asyncio.CancelledError) for result in results)


def _later(passes: int, task: asyncio.Task[None]) -> None:
    if passes:
        asyncio.get_running_loop().call_soon(_later, passes - 1, task)
    else:
        task.cancel()


async def test_cancelling_anywhere_leaks_no_connection() -> None:
    """After 400 requests that were cancelled while they waited, connected, wrote or read, no connection is held, nobody
    waits for one, and the next requests are served."""
    async with serving(at_once) as server, _closing(pool_of(server.url)) as pool:
        await _broken_off(pool, server, 400)
        connector = _connector(pool)
        assert len(connector._acquired) == 0
        assert sum(map(len, connector._waiters.values())) == 0
        await asyncio.gather(*(_send(pool, server) for _ in range(40)))
    gc.collect()


async def test_a_hand_made_pool_leaks_when_it_is_cancelled() -> None:
    """The naive form, a queue of connections given back after the answer, loses one with each cancelled request."""
    free: asyncio.Queue[object] = asyncio.Queue()
    for _ in range(20):
        free.put_nowait(object())

    async def send() -> None:
        connection = await free.get()
        await asyncio.Event().wait()
        free.put_nowait(connection)

    tasks = [asyncio.create_task(send()) for _ in range(20)]
    await anyio.wait_all_tasks_blocked()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert free.empty()


async def test_closing_the_pool_tells_who_waits_for_a_connection() -> None:
    """A request in the queue of a pool that is closed fails as unsent: aiohttp would cancel its task."""
    async with serving(never) as server:
        pool = pool_of(server.url)
        tasks = [asyncio.create_task(_send(pool, server, "POST", b"a=1")) for _ in range(25)]
        await server.wait_for(20)
        await pool.aclose()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(error, "sent", None) for error in errors].count(True) == 20
        unsent = [error for error in errors if isinstance(error, ConnectFailed)]
        assert len(unsent) == 5
        with pytest.raises(ConfigurationError):
            await _send(pool, server)
