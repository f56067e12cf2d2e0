"""Closing and cancelling at any moment, in any phase of any kind of call: nothing hangs, nothing is held."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from aiochargebee_gw import Gateway, GatewayClientError, Retry
from aiochargebee_gw._clock import SystemClock

from .server import KEY, OK, Seen, serving, settings_of

pytestmark = pytest.mark.anyio

ANSWERS = [
    OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 x\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n",
    None,
]


class Hasty(SystemClock):
    """A clock on which a closing client waits for nothing."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return super().timeout(0 if seconds == 5.0 else seconds)


def _any_call(gw: Gateway, url: str, drawn: random.Random) -> Awaitable[Any]:
    calls = [
        lambda: gw.call("POST", "/api/v2/customers", form={"a": "1"}),
        lambda: gw.customers.create(first_name="x"),
        lambda: gw.using(drawn.choice("abc")).call("GET", "/api/v2/customers"),
        lambda: gw.download(f"{url}/file"),
    ]
    return drawn.choice(calls)()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("seed", range(25))
async def test_closing_at_any_moment_ends_every_call(seed: int) -> None:
    """Up to 60 calls of four kinds, against a server that answers, hangs up, stops in the head or in the body, or never
    begins; some are cancelled, then the client is closed, once or twice at a time. Every call ends, with its answer, as
    cancelled or with an error of this package; no limit, no task and no connection is held."""
    drawn = random.Random(seed)

    async def answer(seen: Seen) -> bytes | None:
        if drawn.random() < 0.1:
            await asyncio.Event().wait()
        return drawn.choice(ANSWERS)

    before = asyncio.all_tasks()
    async with serving(answer) as server:
        settings = settings_of(server.url, concurrency=drawn.choice([3, 10, 40]), retry=Retry(base_seconds=0))
        gw = Gateway(KEY, settings=settings, clock=Hasty())
        tasks = [asyncio.ensure_future(_any_call(gw, server.url, drawn)) for _ in range(drawn.randrange(1, 60))]
        for _ in range(drawn.randrange(60)):
            await asyncio.sleep(0)
        for task in drawn.sample(tasks, len(tasks) // 10):
            task.cancel()
        async with asyncio.timeout(20):
            await asyncio.gather(*(gw.aclose() for _ in range(drawn.randrange(1, 3))))
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [end for end in ended if isinstance(end, BaseException) and not isinstance(end, GatewayClientError)]
        assert {type(end) for end in wrong} <= {asyncio.CancelledError}
        assert len(wrong) <= len(tasks) // 10
        engine = gw._caller.engine
        assert engine._gates._running == 0
        assert not any(any(site.running) for site in engine._gates._sites.values())
        assert not engine._home._inside
        await server.wait_until_left()
    await anyio.wait_all_tasks_blocked()
    assert asyncio.all_tasks() == before
