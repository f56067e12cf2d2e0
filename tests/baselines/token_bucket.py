"""The limiter that most clients have, as aiolimiter's: a bucket of tokens, which lets a burst through and refills."""

from __future__ import annotations

import asyncio
import time

__all__ = ["TokenBucket"]


class TokenBucket:
    """*rate* tokens, refilled at *rate* a second: up to 2 x rate - 1 requests in one second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._seen = time.monotonic()

    async def acquire(self) -> None:
        """Take a token, waiting for one."""
        while True:
            now = time.monotonic()
            self._tokens = min(self._rate, self._tokens + (now - self._seen) * self._rate)
            self._seen = now
            if self._tokens >= 1:
                self._tokens -= 1
                return
            await asyncio.sleep((1 - self._tokens) / self._rate)
