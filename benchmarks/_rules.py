"""Other ways to keep to a rate, with the interface of `_policy.limits.Window`: what it was chosen over."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Bucket", "Gcra", "SentLog", "ShareLog"]


class Bucket:
    """A bucket of tokens, as in aiolimiter: *burst* at once, then *rate* a second. With a burst of 1 it is GCRA."""

    def __init__(self, rate: float, burst: float) -> None:
        self._gap = 1 / rate
        self._slack = (burst - 1) / rate
        self._next = -math.inf
        self._now = 0.0
        self._closed_until = -math.inf

    def wait(self, now: float) -> float:
        self._now = now
        return max(0.0, self._next - self._slack - now, self._closed_until - now)

    def take(self) -> None:
        self._next = max(self._next, self._now) + self._gap

    def give_back(self, now: float, *, sent: bool, trip: float | None = None) -> None:
        pass

    def close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)


def Gcra(rate: float) -> Bucket:
    """One request each 1 / *rate* seconds."""
    return Bucket(rate, 1)


class SentLog:
    """A sliding log stamped when a request is sent."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free: deque[float] = deque()
        self._now = 0.0
        self._closed_until = -math.inf

    def wait(self, now: float) -> float:
        self._now = now
        while self._free and self._free[0] <= now:
            self._free.popleft()
        full = self._free[0] - now if len(self._free) >= self._limit else 0.0
        return max(0.0, full, self._closed_until - now)

    def take(self) -> None:
        self._free.append(self._now + 1.0)

    def give_back(self, now: float, *, sent: bool, trip: float | None = None) -> None:
        pass

    def close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)


class ShareLog(SentLog):
    """A sliding log stamped at completion minus a fixed *share* of the fastest trip, from the first request on."""

    def __init__(self, limit: int, share: float) -> None:
        super().__init__(limit)
        self._share = share
        self._fastest = math.inf
        self._running = 0

    def wait(self, now: float) -> float:
        closed = self._closed_until - now
        while self._free and self._free[0] <= now:
            self._free.popleft()
        if self._running + len(self._free) < self._limit:
            return max(0.0, closed)
        return max(closed, self._free[0] - now) if self._free else math.inf

    def take(self) -> None:
        self._running += 1

    def give_back(self, now: float, *, sent: bool, trip: float | None = None) -> None:
        self._running -= 1
        if trip is not None:
            self._fastest = min(self._fastest, trip)
        back = self._share * self._fastest if trip is not None else 0.0
        self._free.append(now - back + 1.0)
