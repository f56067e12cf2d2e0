"""What a client can be watched by: frozen events, handed to an `Observer` one by one.

Events name the operation by its path template and never hold a key, a header, a query or a body.
"""

from __future__ import annotations

from typing import Protocol

import attrs

__all__ = ["AttemptFinished", "CallFinished", "Event", "Observer", "Stats", "Waited"]


@attrs.frozen(kw_only=True)
class Waited:
    """A call waited `seconds` before a send; `reason` is "limit" (our own rate) or "retry" (after a failure)."""

    operation: str
    seconds: float
    reason: str


@attrs.frozen(kw_only=True)
class AttemptFinished:
    """One send ended after `seconds`: with an HTTP `status`, or with `error`, the name of an error class."""

    operation: str
    attempt: int
    seconds: float
    status: int | None
    error: str | None


@attrs.frozen(kw_only=True)
class CallFinished:
    """A whole call ended after `seconds` and `attempts` sends; `error` is None when it succeeded."""

    operation: str
    attempts: int
    seconds: float
    error: str | None


Event = Waited | AttemptFinished | CallFinished


class Observer(Protocol):
    """Called on the event loop for every event: it must return quickly and must not raise."""

    def __call__(self, event: Event, /) -> None: ...


@attrs.define(kw_only=True)
class Stats:
    """Counters of one client since it was made; `attempts` equals the number of requests that servers saw.

    `waited_seconds` adds up what calls spent waiting for the limits and between attempts.
    """

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    rate_limited: int = 0
    waited_seconds: float = 0.0
