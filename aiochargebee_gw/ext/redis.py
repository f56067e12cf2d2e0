"""A limiter in Redis, for processes that share a Maton account (the extra `redis`).

    Gateway(limiter=RedisLimiter("redis://localhost:6379/0", processes=4))

All that is counted is counted by one script on the server, by the server's clock, in one sorted set for each window.
Without Redis each process keeps to its share, a limit divided by *processes*.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING, Any

from .._policy.limits import Trips
from ..errors import ConfigurationError
from ..limiter import Place

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisLimiter"]

_SCHEMES = ("redis://", "rediss://", "unix://")
# By when each process has found out that Redis is back: it looks every second.
_SETTLE_SECONDS = 1.25

# Members whose score is a time, in microseconds: r<token> under way, until its lease ends; d<token> done, until a
# period has passed; `closed` until its time comes. The score of members that say something else is negative: `seen`
# (when somebody last asked), `fastest`, `trips` and `total` (the fastest round trip, how many there were, their sum),
# `fresh` (until when a Redis that has forgotten everything is told of what was sent without it). All of it is one key,
# so that it expires together.
_TEXT = """
local key, action = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function score(member) return tonumber(redis.call('ZSCORE', key, member) or 0) end
local function keep(span)
  local ms = math.ceil(span / 1000)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end

if action == 'reserve' then
  local token, limit, period, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  redis.call('ZADD', key, -now, 'seen')
  keep(lease + 2 * period)
  local closed = score('closed')
  if closed > now then return {0, closed - now, 0} end
  if limit < 0 then return {1, 0, 0} end
  redis.call('ZREMRANGEBYSCORE', key, 0, now)
  local over = redis.call('ZCOUNT', key, 0, '+inf') - limit
  if over < 0 then
    redis.call('ZADD', key, now + lease, 'r' .. token)
    return {1, 0, 0}
  end
  local first = redis.call('ZRANGEBYSCORE', key, 0, '+inf', 'WITHSCORES', 'LIMIT', over, 1)
  if string.sub(first[1], 1, 1) == 'd' then
    local at = tonumber(first[2])
    redis.call('ZREM', key, first[1])
    redis.call('ZADD', key, at + lease, 'r' .. token)
    return {1, at - now, at}
  end
  return {0, math.min(period / 40, 250000), 0}

elseif action == 'give_back' then
  local token, at, sent, limit = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
  local period, trip = tonumber(ARGV[6]), tonumber(ARGV[7])
  redis.call('ZREM', key, 'r' .. token)
  if sent == '1' then
    at = now + period
    if trip > 0 then
      local count = -redis.call('ZINCRBY', key, -1, 'trips')
      local total = -redis.call('ZINCRBY', key, -trip, 'total')
      local fastest, warm = -score('fastest'), count - limit
      if fastest == 0 or trip < fastest then fastest = trip end
      redis.call('ZADD', key, -fastest, 'fastest')
      if warm >= $warm then
        at = at - math.max(0, $share * fastest - $spread * (total / count - fastest) / math.sqrt(warm))
      end
    end
  end
  if at > now then redis.call('ZADD', key, at, 'd' .. token) end
  keep(2 * period)

elseif action == 'close' then
  local at = now + tonumber(ARGV[2])
  if at > score('closed') then redis.call('ZADD', key, at, 'closed') end
  redis.call('ZREM', key, 'trips', 'total', 'fastest')
  keep(at - now)

elseif action == 'join' then
  local token, period, settle = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
  if redis.call('EXISTS', key) == 0 then redis.call('ZADD', key, -(now + settle), 'fresh') end
  if score('closed') <= now and now + score('seen') > 500000 then
    redis.call('ZADD', key, now + settle, 'closed')
  end
  redis.call('ZADD', key, -now, 'seen')
  if -score('fresh') > now then
    for i = 5, #ARGV do redis.call('ZADD', key, now + tonumber(ARGV[i]), 'd' .. token .. ':' .. i) end
  end
  keep(settle + 2 * period)
end
return {0, 0, 0}
"""
_SCRIPT = Template(_TEXT).substitute(warm=Trips.WARM, share=Trips.SHARE, spread=Trips.SPREAD)


class RedisLimiter:
    """Shares a client's limits with the clients of other processes, also on other machines, through one Redis (>= 5).

    *server* is a URL (`redis://`, `rediss://`, `unix://`) or a `redis.asyncio.Redis` of your own, which you close
    yourself. *processes* is how many share the limits at the most: each goes by its share when Redis is gone. *prefix*
    begins the keys: clients with the same one share their limits, so use one for each Maton account. A process that
    dies gives its places back after *lease_seconds*; a request that takes longer is counted as if it ended then.

    Raises `ConfigurationError` for a malformed URL, a number that makes no sense, or a missing `redis` package.
    """

    def __init__(
        self,
        server: str | Redis,
        *,
        processes: int,
        prefix: str = "aiochargebee-gw",
        lease_seconds: float = 30.0,
        timeout_seconds: float = 0.1,
    ) -> None:
        if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
            raise ConfigurationError(f"processes must be a whole number from 1, not {processes!r}")
        for name, value in (("lease_seconds", lease_seconds), ("timeout_seconds", timeout_seconds)):
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ConfigurationError(f"{name} must be a finite number above 0, not {value!r}")
        self._processes = processes
        self._prefix = prefix
        self._lease = lease_seconds
        self._timeout = timeout_seconds
        self._url = server if isinstance(server, str) else None
        self._client: Any = self._connect() if isinstance(server, str) else server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sha = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

    @property
    def processes(self) -> int:
        """How many processes share the limits at the most."""
        return self._processes

    async def reserve(self, window: str, token: str, limit: float, period: float) -> Place:
        """A place, also one that is free only in a moment, or none. Raises `OSError` or `TimeoutError`."""
        args = (token, _whole(limit), _us(period), _us(self._lease))
        given, wait, until = await self._run(window, "reserve", *args)
        return Place(token if given else None, wait / 1e6, until)

    async def give_back(
        self, window: str, limit: float, period: float, place: Place, *, sent: bool, trip: float | None
    ) -> None:
        """End a request, or give a place back that was not used. Raises `OSError` or `TimeoutError`."""
        way = -1 if trip is None else max(1, _us(trip))
        await self._run(window, "give_back", place.token or "", place.until, int(sent), _whole(limit), _us(period), way)

    async def close(self, window: str, seconds: float) -> None:
        """Give nobody a place for *seconds*. Raises `OSError` or `TimeoutError`."""
        await self._run(window, "close", _us(seconds))

    async def join(self, window: str, period: float, left: Sequence[float]) -> None:
        """Come back after a loss. Raises `OSError` or `TimeoutError`."""
        places = [_us(seconds) for seconds in left]
        await self._run(window, "join", os.urandom(8).hex(), _us(period), _us(_SETTLE_SECONDS), *places)

    async def aclose(self) -> None:
        """Close the connections of the running loop, not those of a client of your own."""
        if self._url is not None and self._loop is asyncio.get_running_loop():
            await self._client.aclose()

    async def _run(self, window: str, *args: object) -> tuple[int, int, int]:
        from redis.exceptions import NoScriptError, RedisError

        client, key = self._here(), f"{self._prefix}:{window}"
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    answer = await client.evalsha(self._sha, 1, key, *args)
                except NoScriptError:
                    answer = await client.eval(_SCRIPT, 1, key, *args)
        except RedisError as error:
            raise ConnectionError("Redis does not answer as it should") from error
        given, wait, until = answer
        return int(given), int(wait), int(until)

    def _here(self) -> Any:
        """The client of the running loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._url is not None and self._loop is not None and loop is not self._loop:
            self._client = self._connect()
        self._loop = loop
        return self._client

    def _connect(self) -> Any:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise ConfigurationError("RedisLimiter needs the package redis: aiochargebee-gw[redis]") from error
        if self._url is None or not self._url.startswith(_SCHEMES):
            raise ConfigurationError(f"the URL of Redis must begin with one of {', '.join(_SCHEMES)}")
        try:
            return Redis.from_url(
                self._url,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError):
            # Its own message may show the URL, and with it a password.
            raise ConfigurationError("the URL of Redis is malformed") from None


def _us(seconds: float) -> int:
    return math.ceil(seconds * 1e6)


def _whole(limit: float) -> int:
    """A limit as the script takes it: -1 is none."""
    return -1 if math.isinf(limit) else math.floor(limit)
