"""The goal: no server that counts strictly ever has to refuse, from one process, from several, and without Redis."""

from __future__ import annotations

from typing import Any

import pytest

from .processes import RedisServer, strict_process, workers
from .strict import most
from .worker import work

# Requests per second, and how long: a short form at a high rate, and what the gateway allows.
SHORT = pytest.param(50, 2.5, id="short")
LONG = pytest.param(10, 30.0, id="long", marks=pytest.mark.soak)

pytestmark = pytest.mark.anyio


def _plan(url: str, rate: int, seconds: float, processes: int, **more: Any) -> dict[str, Any]:
    return {
        "url": url, "rate": rate, "seconds": seconds, "tasks": 60 // processes, "processes": processes, **more,
    }  # fmt: skip


@pytest.mark.parametrize(("rate", "seconds"), [SHORT, LONG])
async def test_sixty_tasks_of_one_process_are_never_refused(rate: int, seconds: float) -> None:
    """R8, one process: no second of the server's holds more than the limit, and at least 0.85 of it is used."""
    with strict_process(rate, 0.05, 0.02) as (url, server):
        done = await work(_plan(url, rate, seconds, 1))
        seen = server.finish()
    assert (seen["refused"], done["failed"]) == (0, 0)
    assert most(seen["arrivals"], 1.0) <= rate
    assert done["calls"] == seen["requests"] >= 0.85 * rate * seconds


@pytest.mark.parametrize(("rate", "seconds"), [LONG])
def test_four_processes_over_redis_are_never_refused(redis_server: RedisServer, rate: int, seconds: float) -> None:
    """R8, four processes: together they keep to the limit and use at least 0.85 of it, each getting some."""
    with strict_process(rate, 0.05, 0.02) as (url, server):
        with workers(4, _plan(url, rate, seconds, 4, redis=redis_server.url)) as children:
            done = [child.finish() for child in children]
        seen = server.finish()
    assert (seen["refused"], sum(each["failed"] for each in done)) == (0, 0)
    assert most(seen["arrivals"], 1.0) <= rate
    assert seen["requests"] >= 0.85 * rate * seconds
    assert min(each["calls"] for each in done) >= 0.1 * seen["requests"]


@pytest.mark.soak
@pytest.mark.parametrize(("rate", "calls"), [(40, 100), (10, 75)])
def test_without_redis_all_keep_to_their_shares(redis_server: RedisServer, rate: int, calls: int) -> None:
    """R8, Redis is killed while 4 processes run: all calls are made, one warning in each, and never more than the
    limit in all."""
    with strict_process(rate, 0.05, 0.02) as (url, server):
        with workers(4, _plan(url, rate, 120, 4, redis=redis_server.url, calls=calls)) as children:
            server.wait_for(rate * 3 // 2)
            redis_server.kill()
            done = [child.finish() for child in children]
        seen = server.finish()
    assert (seen["refused"], sum(each["failed"] for each in done)) == (0, 0)
    assert most(seen["arrivals"], 1.0) <= rate
    assert seen["requests"] >= 4 * calls
    assert [each["warnings"] for each in done] == [1, 1, 1, 1]


def test_four_processes_with_redis_without_it_and_with_it_again(redis_server: RedisServer) -> None:
    """R8, Redis is killed and comes back empty while 4 processes run: all calls are made, with one warning in each
    process, and never more than the limit in all, with it, without it or when it is back."""
    rate = 40
    with strict_process(rate, 0.05, 0.02) as (url, server):
        with workers(4, _plan(url, rate, 120, 4, redis=redis_server.url, calls=40)) as children:
            server.wait_for(rate * 3 // 2)
            redis_server.kill()
            server.wait_for(rate * 5 // 2)
            redis_server.start()
            done = [child.finish() for child in children]
        seen = server.finish()
    assert (seen["refused"], sum(each["failed"] for each in done)) == (0, 0)
    assert most(seen["arrivals"], 1.0) <= rate
    assert seen["requests"] >= 4 * 40
    assert [each["warnings"] for each in done] == [1, 1, 1, 1]


async def test_a_naive_limiter_is_refused() -> None:
    """The baseline: a bucket of tokens lets up to twice the rate through in a second, and the same server refuses."""
    with strict_process(50, 0.05, 0.02) as (url, server):
        done = await work(_plan(url, 50, 1.0, 1, naive=True))
        seen = server.finish()
    assert seen["refused"] == done["failed"] > 10
    assert most(seen["arrivals"], 1.0) > 50
