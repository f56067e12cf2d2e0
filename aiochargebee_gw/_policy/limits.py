"""A window that the server can never see overfull: at most *limit* requests in any *period* seconds.

A place is taken when a request starts and given back *period* seconds after it has completed. The server counts a
request at some moment between the two, so no window of the server's holds more than *limit*, whatever the network does.
The price is the time that a request takes: only 1 / (1 + round trip / period) of the rate can be used.

With `Trips` most of that price is got back: a completion is dated back by most of the fastest round trip seen. Then no
window is overfull as long as the fastest way to the server and the fastest way back take, together, at least as long as
that. Nothing is dated back until enough trips are known, and after a 429 they are learned anew.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Trips", "Window"]


class Trips:
    """The round trips of one limit, and how far they allow a completion to be dated back."""

    WARM = 20
    SHARE = 0.9
    SPREAD = 2.0

    __slots__ = ("_count", "_peak", "_running", "_total", "fastest")

    def __init__(self) -> None:
        self._running = 0
        self.forget()

    def forget(self) -> None:
        """Learn anew: somebody else shares the limit, or the network is not what it was."""
        self._count = 0
        self._total = 0.0
        self._peak = self._running
        self.fastest: float = math.inf

    def began(self) -> None:
        """Count a request that starts."""
        self._running += 1
        self._peak = max(self._peak, self._running)

    def ended(self, seconds: float | None) -> None:
        """Count a request that ends; *seconds* is None when its answer says nothing about the way."""
        self._running -= 1
        if seconds is not None:
            self._count += 1
            self._total += seconds
            self.fastest = min(self.fastest, seconds)

    @property
    def back(self) -> float:
        """How far a completion is dated back, in seconds: nine tenths of the fastest trip, less what is uncertain.

        As many trips as were ever under way at once may each have opened a connection, which takes longer; twenty more
        are needed. The fastest of n trips is above the fastest that there can be by a share of their spread that
        shrinks with the root of n.
        """
        warm = self._count - self._peak
        if warm < self.WARM:
            return 0.0
        spread = self._total / self._count - self.fastest
        return max(0.0, self.SHARE * self.fastest - self.SPREAD * spread / math.sqrt(warm))


class Window:
    """A state machine without a clock: *now* is an argument, in seconds that never go back."""

    __slots__ = ("_closed_until", "_counts", "_free", "_running", "limit", "period", "trips")

    def __init__(self, limit: float, period: float, trips: Trips | None = None) -> None:
        # Less than one request in a period is one request in a longer period.
        self.limit: float = max(1, math.floor(limit)) if math.isfinite(limit) else math.inf
        self.period: float = period if limit >= 1 else period / limit
        self.trips: Trips | None = trips
        self._running = 0
        self._free: deque[float] = deque()
        self._counts = math.isfinite(limit)
        self._closed_until = -math.inf

    def wait(self, now: float) -> float:
        """0.0 when there is a place; else the seconds after which to ask again, `inf` until one is given back."""
        if now < self._closed_until:
            return self._closed_until - now
        free = self._free
        while free and free[0] <= now:
            free.popleft()
        over = self._running + len(free) - self.limit
        if over < 0:
            return 0.0
        # More than one place too many is taken where the limit has been lowered since.
        return free[int(over)] - now if over < len(free) else math.inf

    def take(self) -> None:
        """Take a place, also where there is none: whoever has sent must be counted."""
        self._running += 1
        if self.trips is not None:
            self.trips.began()

    def give_back(self, now: float, *, sent: bool, trip: float | None = None, place: object = None) -> None:
        """End a request: with *sent* its place stays taken for a period, without it is free at once.

        *trip* is the seconds from its start to the whole of a good answer, else None: a refusal may have come from a
        nearer place than the one that counts. Places are alike here; *place* is for windows where they are not.
        """
        self._running -= 1
        back = 0.0
        if self.trips is not None:
            self.trips.ended(trip if sent else None)
            back = self.trips.back if trip is not None else 0.0
        if sent and self._counts:
            self._free.append(now - back + self.period)

    def close(self, until: float) -> None:
        """Let nobody through before *until*: a 429 told one caller what all must keep to."""
        self._closed_until = max(self._closed_until, until)
        if self.trips is not None:
            self.trips.forget()

    def closed(self, now: float) -> float:
        """The seconds for which nobody is let through."""
        return max(0.0, self._closed_until - now)

    def least(self, now: float) -> float:
        """The seconds that it takes for certain until there is a place."""
        closed, free = self.closed(now), self._free
        over = self._running + len(free) - self.limit
        # Who is under way may end at any moment.
        return max(closed, free[int(over)] - now) if 0 <= over < len(free) else closed

    def used(self, now: float) -> int:
        """How many places are taken: requests under way, and those of the last period."""
        return len(self.left(now))

    def left(self, now: float) -> list[float]:
        """For each place that is taken, the seconds that it stays so at the least."""
        return [until - now for until in self._free if until > now] + [self.period] * self._running

    def abandon(self, now: float) -> None:
        """What was under way will never be given back: its loop is gone. It counts as sent."""
        for _ in range(self._running):
            self.give_back(now, sent=True)

    def idle(self, now: float) -> bool:
        """Whether a new window would behave as this one does."""
        return not self.closed(now) and not self.used(now)
