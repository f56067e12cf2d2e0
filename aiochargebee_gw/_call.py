"""One logical call as a value, and what is known of it while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, TypeAlias

import attrs

from ._clock import Clock
from ._policy.outcome import KEY_SECONDS, Ability, Key, ability, still_open
from ._wire.message import Request, Response
from .errors import GatewayClientError, InvalidResponse
from .settings import Retry, Timeouts
from .transport.base import Trace

__all__ = ["Call", "Doubt", "Lookup", "Moment", "Sight", "State"]

Sight: TypeAlias = Literal["done", "absent", "other", "unclear"]
"""What a look shows of a write: see `_settle`."""


@attrs.frozen
class Moment:
    """A time on both clocks of this machine."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls, clock: Clock) -> Self:
        return cls(clock.monotonic(), clock.wall())

    @classmethod
    def at(cls, wall: float, clock: Clock) -> Self:
        """A time that another process has written down. One in the future says that the clock was set: it is taken for
        so long ago that no key of it lives."""
        age = clock.wall() - wall
        return cls(clock.monotonic() - (age if age >= 0 else KEY_SECONDS), wall)

    def elapsed(self, clock: Clock) -> float:
        """Seconds since then, the more of the two: the one clock stands still while the machine is suspended, the other
        may be set."""
        return max(clock.monotonic() - self.monotonic, clock.wall() - self.wall)


@attrs.frozen(kw_only=True)
class Doubt:
    """Why a write may have happened: the last failure that says so, whether any send of it may still be under way at
    the server, and whether any was answered with success."""

    error: GatewayClientError
    open: bool = True
    likely_done: bool = False

    @classmethod
    def after(cls, error: GatewayClientError, earlier: Doubt | None) -> Doubt:
        """The doubt after one more attempt: a later failure takes nothing back."""
        status = error.status if isinstance(error, InvalidResponse) else None
        return Doubt(
            error=error,
            open=still_open(error) or (earlier is not None and earlier.open),
            likely_done=(status is not None and 200 <= status < 300) or (earlier is not None and earlier.likely_done),
        )


@attrs.frozen(kw_only=True)
class Lookup:
    """Where the outcome of a write in doubt can be read.

    `shows(answer, since)` says what the answer shows of the write, None standing for a 404; `since` is the server's
    time before the first send, in Unix seconds, None where the server does not tell the time.
    """

    request: Request
    shows: Callable[[Response | None, float | None], Sight] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Call:
    """One logical call: the request that every attempt sends, and what may be done with it.

    *writes* is False for what changes nothing, *keyed* says that Chargebee honours an idempotency key here, *proven*
    that the key is known to reach it, *named* is the id that the request gives the record it makes. *site* names the
    connection whose limit counts the call; None for the control plane, which has none. *first_sent* and *doubt* come
    from an earlier try of the same write; *insist* sends it although it may be a second one, for a caller who says so.
    *looks* marks the look at what became of another call: it earns no retries.
    """

    request: Request
    writes: bool
    keyed: bool = False
    proven: bool = False
    named: str | None = attrs.field(default=None, repr=False)
    lookup: Lookup | None = None
    site: str | None = attrs.field(default=None, repr=False)
    control: bool = False
    retry: Retry
    timeouts: Timeouts
    idempotency_key: str | None = attrs.field(default=None, repr=False)
    rank: int = 0
    """Who goes first where calls wait for a limit: 0 before 1."""
    first_sent: Moment | None = None
    doubt: Doubt | None = None
    insist: bool = False
    looks: bool = False


@attrs.define
class State:
    """What is known of a call so far. `sent` counts the attempts that reached the network, `doubt` is why a write may
    have happened. `queued` is since when it waits for the limits, None when it does not. `began` and `queued` are
    monotonic."""

    began: float
    queued: float | None = None
    attempts: int = 0
    sent: int = 0
    first_sent: Moment | None = None
    last_sent: Moment | None = None
    last: GatewayClientError | None = None
    doubt: Doubt | None = None
    trace: Trace = attrs.field(factory=Trace)

    def ability(self, call: Call, clock: Clock, *, proven: bool, wait: float = 0.0) -> Ability:
        """What the call can bear if it is sent again after *wait* seconds."""
        key = self._key(call, proven, 0.0 if self.first_sent is None else self.first_sent.elapsed(clock) + wait)
        return ability(writes=call.writes, key=key, idempotent=call.keyed, named=call.named is not None)

    def _key(self, call: Call, proven: bool, age: float) -> Key:
        if call.idempotency_key is None:
            return "none"
        if age >= KEY_SECONDS:
            return "expired"
        return "proven" if proven else "unproven"

    def until(self, call: Call, clock: Clock) -> float:
        """The time (monotonic) after which nothing of the call is sent any more: its deadline or the end of its key."""
        deadline = self.began + call.retry.deadline_seconds
        if call.writes and self.first_sent is not None:
            return min(deadline, clock.monotonic() + KEY_SECONDS - self.first_sent.elapsed(clock))
        return deadline
