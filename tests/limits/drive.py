"""A client that always has work, a network and a strict server, in made-up time: what a limiter makes of them."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import attrs

__all__ = ["Drive", "Rule"]

# No clock has a better grain.
GRAIN = 1e-6


class Rule(Protocol):
    """What a limiter must do to be driven (see `_policy.limits.Window`)."""

    def wait(self, now: float) -> float: ...

    def take(self) -> object: ...

    def give_back(self, now: float, *, sent: bool, trip: float | None = None) -> None: ...

    def close(self, until: float) -> None: ...


@attrs.define
class Drive:
    """*tasks* callers make a request for each of *ways*, (seconds until the server counts it, seconds until its answer
    is there). With *late*, a caller that waits goes on so much after it could, each time the next of them."""

    rule: Rule
    limit: int = 10
    period: float = 1.0
    tasks: int = 60
    late: Sequence[float] = (0.0,)
    arrivals: list[float] = attrs.field(factory=list)
    refused: list[float] = attrs.field(factory=list)
    _recent: deque[float] = attrs.field(factory=deque)

    def run(self, ways: Sequence[tuple[float, float]]) -> Drive:
        """Make all requests."""
        now, started, running = 0.0, 0, 0
        events: list[tuple[float, int, str, float]] = []
        while started < len(ways) or events:
            wake = math.inf
            if started < len(ways) and running < self.tasks:
                wait = self.rule.wait(now)
                if not wait:
                    self.rule.take()
                    heapq.heappush(events, (now + ways[started][0], started, "arrives", now))
                    running, started = running + 1, started + 1
                    continue
                wake = now + wait + self.late[started % len(self.late)]
            if not events or events[0][0] > wake:
                now = wake
                continue
            now, number, what, began = heapq.heappop(events)
            if what == "arrives":
                ok = self._count(now)
                heapq.heappush(events, (now + ways[number][1] * ok, number, "ends" if ok else "refused", began))
                continue
            running -= 1
            if what == "refused":
                self.rule.close(now + 1.0)
            self.rule.give_back(now, sent=True, trip=now - began if what == "ends" else None)
        return self

    def _count(self, now: float) -> bool:
        self.arrivals.append(now)
        while self._recent and self._recent[0] <= now - self.period + GRAIN:
            self._recent.popleft()
        if len(self._recent) >= self.limit:
            self.refused.append(now)
            return False
        self._recent.append(now)
        return True

    @property
    def rate(self) -> float:
        """The rate at which requests were served, as a share of the allowed one, without the first burst."""
        served = len(self.arrivals) - len(self.refused) - self.limit
        return served / (self.arrivals[-1] - self.arrivals[0]) * self.period / self.limit
