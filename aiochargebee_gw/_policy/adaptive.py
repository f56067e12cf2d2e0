"""The limit of a site whose plan is not known, learned from its refusals.

Chargebee allows a site 150 requests a minute on its smallest plan and on any test site, 1,000 and 3,500 on the larger
ones (its page on API limits), and does not say which: only a 429 shows it. What was sent in the minute before is then
the limit, or what others who use the site have left of it.
"""

from __future__ import annotations

import math
from collections import deque

from .limits import Window

__all__ = ["PLANS", "Adaptive", "learned"]

PLANS = (150, 1000, 3500)
"""Requests per minute by plan."""

_LEAST = 15
_MOST = 10_000
_NEAR = 0.1
_STEP = 1.1
_STEP_SECONDS = 300.0
_PLAN_SECONDS = 3600.0


def learned(sent: int, before: float) -> int:
    """The limit that a refusal shows, after *sent* requests in a minute under the limit *before* (`inf`: none).

    A plan's, if as many were sent as it allows, give or take a tenth; else nine tenths of what was sent: there are
    others. A plan that was kept to and refused is shared as well. One refusal takes half of a limit at the most, and of
    the smallest plan where none was known: others who were busy for a minute may be gone in the next.
    """
    for plan in PLANS:
        if abs(sent - plan) <= _NEAR * plan and plan < before:
            return plan
    half = (before if before < math.inf else PLANS[0]) / 2
    return max(_LEAST, math.floor(max(0.9 * min(sent, before), half)))


class Adaptive(Window):
    """A window of a minute that is open until the first refusal, then as wide as that showed.

    It widens again by a tenth every five minutes, and rests for an hour on a plan's own number: each step risks one
    refusal, which costs the site about a minute.
    """

    __slots__ = ("_refused", "_step_at")

    def __init__(self) -> None:
        super().__init__(math.inf, 60.0)
        # Counted without a limit too, for something to learn from.
        self._counts, self._free = True, deque(maxlen=_MOST)
        self._refused = -math.inf
        self._step_at = math.inf

    def wait(self, now: float) -> float:
        if now >= self._step_at:
            self._set(min([self.limit * _STEP, *(plan for plan in PLANS if plan > self.limit)]), now)
        return super().wait(now)

    def refused(self, now: float) -> None:
        """Learn from a 429 that came for a request still counted as under way. Those that follow it within a minute
        were sent before it was known, or are the same minute's."""
        if now < self._refused + 60.0:
            return
        self._refused = now
        self._set(learned(self.used(now) - 1, self.limit), now)

    def idle(self, now: float) -> bool:
        """Also: what was learned has become old."""
        return super().idle(now) and now >= self._refused + _PLAN_SECONDS

    def _set(self, limit: float, now: float) -> None:
        self.limit = math.floor(limit) if limit < _MOST else math.inf
        self._step_at = now + (_PLAN_SECONDS if self.limit in PLANS else _STEP_SECONDS)
