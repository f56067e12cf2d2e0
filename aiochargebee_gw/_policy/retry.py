"""When the next attempt happens, if at all: pure functions of the policy, the failure, the time and a random number."""

from __future__ import annotations

from collections import deque

import attrs

from ..errors import ApiError
from ..settings import Retry

__all__ = ["LONGEST_WAIT", "Again", "Budget", "Stop", "decide"]

LONGEST_WAIT = 120.0
"""Seconds: a `Retry-After` above it is for the caller to decide about, whatever the deadline."""


@attrs.frozen
class Again:
    """Send once more after `wait` seconds."""

    wait: float


@attrs.frozen
class Stop:
    """Give up: the policy's attempts or its deadline are spent, or the server asks for too long a wait (`reason`)."""

    reason: str


def decide(policy: Retry, error: Exception, *, attempt: int, left: float, jitter: float) -> Again | Stop:
    """What follows attempt number *attempt* (from 1), which failed with *error*.

    *left* is seconds until the deadline, *jitter* a random number from 0 to 1. A `Retry-After` is kept to, up to the
    deadline and to 120 seconds; the random pause comes on top of nothing ("full jitter").
    """
    if attempt >= policy.attempts:
        return Stop("attempts")
    wait = _pause(policy, error, attempt, jitter)
    if isinstance(error, ApiError) and error.retry_after is not None and wait > LONGEST_WAIT:
        return Stop("wait")
    return Again(wait) if wait < left else Stop("deadline")


def _pause(policy: Retry, error: Exception, attempt: int, jitter: float) -> float:
    throttled = isinstance(error, ApiError) and error.status == 429
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after
    base = policy.throttled_base_seconds if throttled else policy.base_seconds
    return jitter * min(policy.cap_seconds, base * 2.0 ** min(attempt - 1, 30))


class Budget:
    """How many retries a client may add to a server's load: a share of its calls of the last ten seconds.

    The shape is Finagle's retry budget: without it, a server that is down sees every call four times.
    """

    WINDOW_SECONDS = 10.0

    def __init__(self) -> None:
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def called(self, now: float) -> None:
        """Count a call at its start."""
        self._calls.append(now)
        self._forget(now)

    def take(self, policy: Retry, now: float) -> bool:
        """Whether one more retry is within the budget; if so it is counted."""
        self._forget(now)
        if len(self._retries) + 1 > policy.budget * len(self._calls) + policy.budget_tokens:
            return False
        self._retries.append(now)
        return True

    def _forget(self, now: float) -> None:
        for stamps in (self._calls, self._retries):
            while stamps and stamps[0] <= now - self.WINDOW_SECONDS:
                stamps.popleft()
