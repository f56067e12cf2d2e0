"""A process that makes calls under a limit: its one argument is a JSON object, its output a line of JSON.

It says "ready" when everything is imported, and begins when it is given a line. With "naive" it goes by a token bucket
instead of the client's own limits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiochargebee_gw import Gateway, GatewayClientError, Limits, Retry, Settings
from aiochargebee_gw.ext.redis import RedisLimiter
from tests.baselines.token_bucket import TokenBucket


async def work(plan: dict[str, Any], start: Callable[[], Awaitable[None]] | None = None) -> dict[str, Any]:
    """*tasks* loops that call for *seconds*, or until *calls* are made; no call is repeated. *start* is awaited
    first."""
    redis, rate = plan.get("redis"), plan["rate"]
    limiter = None if redis is None else RedisLimiter(redis, processes=plan["processes"])
    bucket = TokenBucket(rate) if plan.get("naive") else None
    settings = Settings(
        gateway_url=plan["url"],
        control_url=plan["url"],
        limits=Limits(
            account_per_second=rate if bucket is None else math.inf, site_per_minute=math.inf, concurrency=plan["tasks"]
        ),
        retry=Retry(attempts=1, deadline_seconds=120),
    )
    done = {"calls": 0, "failed": 0, "warnings": 0}
    logging.getLogger("aiochargebee_gw").addFilter(lambda record: _count(record, done))
    if start is not None:
        await start()
    async with Gateway("sandbox_key", settings=settings, limiter=limiter) as gw:
        end = time.monotonic() + plan.get("seconds", math.inf)
        left = [plan.get("calls", math.inf)]

        async def loop() -> None:
            while time.monotonic() < end and left[0] > 0:
                left[0] -= 1
                if bucket is not None:
                    await bucket.acquire()
                try:
                    await gw.call("GET", "/api/v2/customers")
                    done["calls"] += 1
                except GatewayClientError:
                    done["failed"] += 1

        await asyncio.gather(*(loop() for _ in range(plan["tasks"])))
    return done


def _count(record: logging.LogRecord, done: dict[str, int]) -> bool:
    done["warnings"] += record.levelno == logging.WARNING and "shared limiter" in record.getMessage()
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _told() -> None:
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    _say(json.dumps(asyncio.run(work(json.loads(sys.argv[1]), _told))))
