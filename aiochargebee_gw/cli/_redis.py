"""Whether a Redis can carry the limits that several processes share: it answers, soon, and runs scripts."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._checks import Check
from ._failures import protect

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["redis_check"]

_TIMEOUT_SECONDS = 5.0
_ROUNDS = 5
_SLOW_SECONDS = 0.05
_NAME = "redis"


async def redis_check(url: str) -> Check:
    """A look at the Redis at *url*, whose password is not shown. Nothing is written there."""
    try:
        from redis import RedisError
        from redis.asyncio import Redis
    except ModuleNotFoundError:
        return Check(_NAME, "fail", "the extra is not installed", "pip install 'aiochargebee-gw[redis]'", code=2)
    try:
        place, client = (
            _place(url),
            Redis.from_url(url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS),
        )
    except ValueError:
        return Check(_NAME, "fail", "not a URL of a Redis", "it looks like redis://host:6379/0", code=2)
    try:
        async with client:
            return await _look(client, place)
    except (RedisError, OSError, TimeoutError) as error:
        # Its own text may quote what it was given.
        return Check(_NAME, "fail", f"{place}: {type(error).__name__}", "check --redis, and that it runs", code=1)


async def _look(client: Redis, place: str) -> Check:
    version: Any = (await client.info("server")).get("redis_version", "of an unknown version")
    told: Any = await client.eval("return redis.call('TIME')", 0)
    trips = []
    for _ in range(_ROUNDS):
        began = time.monotonic()
        await client.ping()
        trips.append(time.monotonic() - began)
    trip = statistics.median(trips)
    ahead = int(told[0]) - time.time()
    detail = f"{version} at {place} runs scripts, {trip * 1000:.1f} ms a round trip, clock {ahead:+.0f} s"
    if trip > _SLOW_SECONDS:
        return Check(_NAME, "warn", detail, "every request waits for it: use one that is nearer")
    return Check(_NAME, "ok", detail)


def _place(url: str) -> str:
    """Where it is, without user and password."""
    parts = urlsplit(url)
    if parts.password:
        protect(parts.password)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or parts.path}{port}"
