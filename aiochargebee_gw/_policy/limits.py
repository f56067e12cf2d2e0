"""A window that the server can never see overfull: at most *limit* requests in any *period* seconds.

A place is taken when a request starts and given back *period* seconds after it has completed. The server counts a
request at some moment between the two, so no window of the server's holds more than *limit*, whatever the network does.
The price is the time that a request takes: 1 / (1 + round trip) of the rate is used when all places turn over at once.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Window"]


class Window:
    """A state machine without a clock: *now* is an argument, in seconds that never go back."""

    __slots__ = ("_closed_until", "_done", "_limit", "_period", "_running")

    def __init__(self, limit: float, period: float) -> None:
        # Less than one request in a period is one request in a longer period.
        self._limit = max(1, math.floor(limit)) if math.isfinite(limit) else math.inf
        self._period = period if limit >= 1 else period / limit
        self._running = 0
        self._done: deque[float] = deque()
        self._closed_until = -math.inf

    def take(self, now: float) -> float:
        """0.0 when a place was taken; else the seconds after which to ask again, `inf` until one is given back."""
        if now < self._closed_until:
            return self._closed_until - now
        while self._done and self._done[0] + self._period <= now:
            self._done.popleft()
        if self._running + len(self._done) < self._limit:
            self._running += 1
            return 0.0
        return self._done[0] + self._period - now if self._done else math.inf

    def give_back(self, now: float, *, sent: bool) -> None:
        """End a request: with *sent* its place stays taken for a period, without it is free at once."""
        self._running -= 1
        if sent and math.isfinite(self._limit):
            self._done.append(now)

    def close(self, until: float) -> None:
        """Let nobody through before *until*: a 429 told one caller what all must keep to."""
        self._closed_until = max(self._closed_until, until)
