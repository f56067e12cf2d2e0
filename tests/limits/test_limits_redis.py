"""Limits that are shared through a real Redis."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiochargebee_gw import ConfigurationError, Gateway, Limits, Settings, errors
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._gates import Gates, Passage
from aiochargebee_gw.ext.redis import RedisLimiter
from aiochargebee_gw.limiter import Place

from ..unit.clock import FakeClock
from .processes import RedisServer
from .strict import strict_server

redis = pytest.importorskip("redis", reason="the extra redis is not installed")
pytestmark = pytest.mark.anyio


def _who(site: str | None = None, rank: int = 0, deadline: float = math.inf) -> Passage:
    return Passage(site=site, method="GET", rank=rank, deadline=deadline, label="x")


@asynccontextmanager
async def _limiter(server: RedisServer, **options: Any) -> AsyncIterator[RedisLimiter]:
    # A machine that is busy with other tests must not look like a Redis that is gone.
    made = RedisLimiter(server.url, **{"processes": 2, "timeout_seconds": 5.0, **options})
    try:
        yield made
    finally:
        await made.aclose()


@asynccontextmanager
async def _gates(server: RedisServer, **limits: Any) -> AsyncIterator[Gates]:
    async with _limiter(server) as limiter:
        made = Gates(Limits(**{"site_per_minute": math.inf, **limits}), SystemClock(), limiter)
        try:
            yield made
        finally:
            await made.aclose()


def _stored(server: RedisServer, key: str = "aiochargebee-gw:account") -> dict[str, float]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return dict(client.zrange(key, 0, -1, withscores=True))


def _under_way(server: RedisServer) -> int:
    return sum(member.startswith("r") for member in _stored(server))


def _done(server: RedisServer) -> int:
    return sum(member.startswith("d") for member in _stored(server))


@pytest.mark.parametrize("url", ["localhost:6379", "http://x", "", "redis://:secret@h:port", "redis://h:99999999"])
def test_a_malformed_url_is_refused(url: str) -> None:
    """A URL that is none is refused when the limiter is made, without showing a password."""
    with pytest.raises(ConfigurationError, match="URL of Redis") as caught:
        RedisLimiter(url, processes=1)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"processes": 0},
        {"processes": 1.5},
        {"processes": True},
        {"processes": 1, "lease_seconds": 0},
        {"processes": 1, "timeout_seconds": math.inf},
    ],
)
def test_senseless_numbers_are_refused(options: dict[str, Any]) -> None:
    """As in `Settings`, a number that cannot work is named when it is given."""
    with pytest.raises(ConfigurationError, match="must be"):
        RedisLimiter("redis://h", **options)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package redis the error says what to install."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"aiochargebee-gw\[redis\]"):
        RedisLimiter("redis://h", processes=1)


async def test_places_are_given_until_there_are_none(redis_server: RedisServer) -> None:
    """Two places: a third is not given while both are under way, is given ahead when one is done, and at once when one
    was not used."""
    async with _limiter(redis_server) as limiter:
        first = await limiter.reserve("w", "t1", 2, 1.0)
        second = await limiter.reserve("w", "t2", 2, 1.0)
        assert (first.wait, second.wait) == (0, 0)
        none = await limiter.reserve("w", "t3", 2, 1.0)
        assert none.token is None
        assert 0 < none.wait <= 0.25
        await limiter.give_back("w", 2, 1.0, first, sent=True, trip=None)
        ahead = await limiter.reserve("w", "t4", 2, 1.0)
        assert ahead.token is not None
        assert 0 < ahead.wait <= 1
        assert (await limiter.reserve("w", "t5", 2, 1.0)).token is None
        await limiter.give_back("w", 2, 1.0, second, sent=False, trip=None)
        assert (await limiter.reserve("w", "t6", 2, 1.0)).wait == 0
        # A place that was kept for later and is not used is as far away as before.
        await limiter.give_back("w", 2, 1.0, ahead, sent=False, trip=None)
        assert 0 < (await limiter.reserve("w", "t7", 2, 1.0)).wait <= ahead.wait


async def test_what_one_process_sends_another_waits_for(redis_server: RedisServer) -> None:
    """Two clients over one Redis have one limit."""
    async with _gates(redis_server, account_per_second=2) as one, _gates(redis_server, account_per_second=2) as other:
        for gates in (one, other):
            async with gates.turn(_who()) as turn:
                turn.sent = True
        await one._link.settle()  # type: ignore[union-attr]
        await other._link.settle()  # type: ignore[union-attr]
        assert _done(redis_server) == 2
        with pytest.raises(errors.DeadlineExceeded):
            async with one.turn(_who(deadline=SystemClock().monotonic() + 0.1)):
                raise AssertionError


async def test_a_429_closes_the_gate_of_all_processes(redis_server: RedisServer) -> None:
    """What one client was told holds for the other, and trips are learned anew; an earlier end does not shorten it."""
    async with _gates(redis_server) as one, _limiter(redis_server) as other:
        await other.give_back("account", 10, 1.0, Place("x"), sent=True, trip=0.1)
        assert "trips" in _stored(redis_server)
        one.close("account", None, 60)
        one.close("account", None, 5)
        one.close("site", "a", 60)
        await one._link.settle()  # type: ignore[union-attr]
        told = await other.reserve("account", "t8", 10, 1.0)
        assert told.token is None
        assert 59 < told.wait <= 60
        assert 59 < (await other.reserve("site:a", "t9", math.inf, 60.0)).wait <= 60
        assert "trips" not in _stored(redis_server)


async def test_completions_are_dated_back_by_the_fastest_of_all(redis_server: RedisServer) -> None:
    """Twenty trips above the limit's number make the fastest known: from then on places come free that much sooner."""
    async with _limiter(redis_server) as limiter:
        for number in range(23):
            place = await limiter.reserve("w", f"{number}t10", 3, 60.0)
            trip = 20.0 if number == 7 else 21.0
            before = _stored(redis_server, "aiochargebee-gw:w")
            await limiter.give_back("w", 3, 60.0, place, sent=True, trip=trip)
            after = _stored(redis_server, "aiochargebee-gw:w")
            # Each done request is forgotten, so that the next has a place.
            made = [after[member] for member in after if member.startswith("d") and member not in before]
            until = max(made) - -after["seen"]
            assert (until < 45e6) == (number == 22)
            with redis.Redis.from_url(redis_server.url) as client:
                client.zrem("aiochargebee-gw:w", *(member for member in after if member.startswith("d")))
        assert _stored(redis_server, "aiochargebee-gw:w")["fastest"] == -20e6


async def test_a_script_that_redis_has_forgotten_is_sent_again(redis_server: RedisServer) -> None:
    """NOSCRIPT is answered with the script itself."""
    async with _limiter(redis_server) as limiter:
        for _ in range(2):
            assert (await limiter.reserve("w", "t11", 10, 1.0)).token
            with redis.Redis.from_url(redis_server.url) as client:
                client.script_flush()


async def test_the_places_of_a_process_that_died_come_back(redis_server: RedisServer) -> None:
    """A lease ends by itself: who never gives a place back does not keep it from the others."""
    async with _limiter(redis_server, lease_seconds=0.05) as limiter:
        assert (await limiter.reserve("w", "t12", 1, 1.0)).token
        with anyio.fail_after(5):
            while (await limiter.reserve("w", "t13", 1, 1.0)).token is None:
                await anyio.lowlevel.checkpoint()


async def test_every_key_expires(redis_server: RedisServer) -> None:
    """Nothing is left in Redis for ever, and all of it is under the prefix."""
    async with _limiter(redis_server, prefix="mine") as limiter:
        place = await limiter.reserve("w", "t14", 1, 1.0)
        await limiter.give_back("w", 1, 1.0, place, sent=True, trip=0.1)
        await limiter.reserve("endless", "t15", math.inf, 60.0)
        await limiter.close("shut", 5)
        await limiter.join("joined", 1.0, [0.5])
        with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
            left = {key: client.pttl(key) for key in client.scan_iter()}
    assert set(left) == {"mine:w", "mine:endless", "mine:shut", "mine:joined"}
    assert all(0 < milliseconds <= 200_000 for milliseconds in left.values())


async def test_who_comes_back_brings_along_what_was_sent(redis_server: RedisServer) -> None:
    """To a Redis that knows nothing each process tells its places, and nobody is let through until all have; to one
    that was used a moment ago nothing is told."""
    async with _limiter(redis_server) as limiter:
        await limiter.join("account", 1.0, [0.5, 0.7])
        await limiter.join("account", 1.0, [0.9])
        assert _done(redis_server) == 3
        told = await limiter.reserve("account", "t16", 10, 1.0)
        assert told.token is None
        assert told.wait > 0.5
        await limiter.reserve("used", "t17", 10, 1.0)
        await limiter.join("used", 1.0, [0.5])
        assert (await limiter.reserve("used", "t18", 10, 1.0)).wait == 0


async def test_a_cancelled_waiter_gives_its_place_back(redis_server: RedisServer) -> None:
    """A place that was reserved for calls that were cancelled before they were sent is free for other processes."""
    async with _gates(redis_server, account_per_second=2) as gates:
        for _ in range(2):
            async with gates.turn(_who()) as turn:
                turn.sent = True
        tasks = [asyncio.create_task(gates.wait(_who())) for _ in range(5)]
        with anyio.fail_after(5):
            while not _under_way(redis_server):
                await anyio.lowlevel.checkpoint()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gates._link.settle()  # type: ignore[union-attr]
        assert _under_way(redis_server) == 0
        assert _done(redis_server) == 2


async def test_the_web_goes_first_also_over_redis(redis_server: RedisServer) -> None:
    """A place that was reserved while only exports waited is used by a call of the web that came later."""
    order: list[str] = []
    async with _gates(redis_server, account_per_second=4) as gates:

        async def call(name: str, rank: int) -> None:
            async with gates.turn(_who(rank=rank)) as turn:
                turn.sent = True
                order.append(name)

        await asyncio.gather(*(call(f"first {number}", 0) for number in range(4)))
        exports = [asyncio.create_task(call(f"export {number}", 2)) for number in range(2)]
        with anyio.fail_after(5):
            while not _under_way(redis_server):
                await anyio.lowlevel.checkpoint()
        await call("web", 0)
        await asyncio.gather(*exports)
    assert order.index("web") == 4


async def test_the_known_limit_of_a_site_is_shared(redis_server: RedisServer) -> None:
    """With `site_per_minute` the processes have one minute together; without it each has its own window besides."""
    async with _gates(redis_server, site_per_minute=2) as one, _gates(redis_server, site_per_minute=2) as other:
        for gates in (one, other):
            async with gates.turn(_who("a")) as turn:
                turn.sent = True
        with pytest.raises(errors.DeadlineExceeded):
            async with one.turn(_who("a", deadline=SystemClock().monotonic() + 0.1)):
                raise AssertionError
        async with one.turn(_who("b")):
            pass
    async with _gates(redis_server, site_per_minute=None) as learning:
        async with learning.turn(_who("c")):
            learning.close("site", "c", 0.01, exceeded=True)
        adaptive = learning._sites["c"].adaptive
        assert adaptive is not None
        assert adaptive.limit == 75


async def test_a_redis_that_hangs_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A server that accepts and says nothing: after a second of quiet each process goes by its share, with one
    warning however often it tries again."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        limiter = RedisLimiter(f"redis://127.0.0.1:{port}", processes=2, timeout_seconds=0.01)
        clock = FakeClock()
        gates = Gates(Limits(account_per_second=10), clock, limiter)
        sent = []
        with caplog.at_level(logging.INFO, "aiochargebee_gw"):
            for _ in range(30):
                async with gates.turn(_who()) as turn:
                    turn.sent = True
                    sent.append(clock.now)
        await gates.aclose()
    assert sent[0] >= 1001
    assert all(sum(start <= moment < start + 1 for moment in sent) <= 5 for start in sent)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "TimeoutError" in caplog.text


async def test_a_redis_that_stalls_costs_no_places(redis_server: RedisServer) -> None:
    """Places that Redis gave after the client had stopped waiting are given back when it answers again: they do not
    stay taken until their leases end."""
    limiter = RedisLimiter(redis_server.url, processes=2, timeout_seconds=0.05)
    gates = Gates(Limits(account_per_second=2, site_per_minute=math.inf), SystemClock(), limiter)
    async with gates.turn(_who()) as turn:
        turn.sent = True
    link = gates._link
    assert link is not None
    await link.settle()
    redis_server.stall()
    waiting = asyncio.create_task(gates.wait(_who()))
    with anyio.fail_after(5):
        while not link.lost:
            await anyio.lowlevel.checkpoint()
    redis_server.resume()
    turn = await asyncio.wait_for(waiting, 5)
    assert turn.places
    await link.settle()
    assert _under_way(redis_server) == 1
    gates.leave(turn)
    await gates.aclose()


async def test_a_gateway_closes_its_limiter(redis_server: RedisServer) -> None:
    """`aclose` gives back what is held and closes the connections to Redis; the limiter opens them again when asked."""
    async with strict_server(100) as server:
        settings = Settings(gateway_url=server.url, control_url=server.url)
        limiter = RedisLimiter(redis_server.url, processes=2, timeout_seconds=5.0)
        for _ in range(2):
            async with Gateway("sandbox_key", settings=settings, limiter=limiter) as gw:
                await gw.call("GET", "/api/v2/customers")
            assert _under_way(redis_server) == 0
            with redis.Redis.from_url(redis_server.url) as client:
                assert len(client.client_list()) == 1
        assert server.refused == 0
        assert _done(redis_server) == 2


def test_one_limiter_over_successive_loops(redis_server: RedisServer) -> None:
    """The same limits and limiter work in one event loop after another, each closed at its end."""
    limiter = RedisLimiter(redis_server.url, processes=2, timeout_seconds=5.0)
    gates = Gates(Limits(), SystemClock(), limiter)

    async def enter() -> None:
        async with gates.turn(_who("a")) as turn:
            turn.sent = True
        await gates.aclose()

    asyncio.run(enter())
    asyncio.run(enter())
    assert _done(redis_server) == 2


async def test_a_client_of_your_own_is_not_closed(redis_server: RedisServer) -> None:
    """A `redis.asyncio.Redis` that was given stays open for who made it."""
    from redis.asyncio import Redis

    async with Redis.from_url(redis_server.url) as client:
        limiter = RedisLimiter(client, processes=1, timeout_seconds=5.0)
        assert limiter.processes == 1
        assert (await limiter.reserve("w", "t19", 1, 1.0)).token
        await limiter.aclose()
        assert await client.ping()
