"""What a client can be watched by: frozen events, handed to an `Observer` one by one.

The events of one call carry the same number, `call`. They name the operation by its path template and never hold an API
key, a header, a query or a body; the idempotency key of a write in doubt is there for the program, not in the `repr`.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import attrs

__all__ = [
    "AttemptFinished",
    "CallFinished",
    "CallStarted",
    "Event",
    "Observer",
    "Outcome",
    "Retried",
    "Stats",
    "Tally",
    "Throttled",
    "Waited",
]

Outcome: TypeAlias = Literal["ok", "reconciled", "failed", "unknown"]
"""`reconciled`: a write in doubt was found done by reading. `unknown`: it may or may not have happened."""


@attrs.frozen(kw_only=True)
class CallStarted:
    """A call was made; `write` is True when it may change something."""

    call: int
    operation: str
    write: bool


@attrs.frozen(kw_only=True)
class Waited:
    """A call waited `seconds` before a send; `reason` is "limit" (our own rate) or "retry" (after a failure)."""

    call: int
    operation: str
    seconds: float
    reason: Literal["limit", "retry"]


@attrs.frozen(kw_only=True)
class AttemptFinished:
    """One send ended after `seconds`: with an HTTP `status`, or with `error`, the name of an error class.

    `phase` says how far it came: "unsent", "connected", "sent", "headers" or "body" (see `transport.base`). The bytes
    are those of the bodies, the answer's as it came over the wire.
    """

    call: int
    operation: str
    attempt: int
    seconds: float
    status: int | None
    error: str | None
    phase: str
    sent_bytes: int
    received_bytes: int


@attrs.frozen(kw_only=True)
class Retried:
    """Attempt number `attempt` failed with `error`; the next follows in `seconds`."""

    call: int
    operation: str
    attempt: int
    seconds: float
    error: str


@attrs.frozen(kw_only=True)
class Throttled:
    """A 429 closed the gate of `scope` for every call of this client, for `seconds`."""

    call: int
    operation: str
    scope: Literal["account", "site"]
    seconds: float


@attrs.frozen(kw_only=True)
class CallFinished:
    """A whole call ended after `seconds` and `attempts` sends; `error` is None when it succeeded.

    `outcome` is "unknown" for a write of which bytes may have left and whose end is not known, also when it was
    cancelled then; `idempotency_key` is what it was sent under.
    """

    call: int
    operation: str
    attempts: int
    seconds: float
    error: str | None
    outcome: Outcome
    idempotency_key: str | None = attrs.field(default=None, repr=False)


Event: TypeAlias = CallStarted | Waited | AttemptFinished | Retried | Throttled | CallFinished


class Observer(Protocol):
    """Called on the event loop for every event: it must return quickly and must not raise."""

    def __call__(self, event: Event, /) -> None: ...


@attrs.define(kw_only=True)
class Tally:
    """Counters; `attempts` equals the number of requests that servers saw.

    `waits` is how often, `waited_seconds` how long calls waited for the limits and between attempts. `sent_bytes` and
    `received_bytes` are those of bodies, the received ones as they came over the wire.
    """

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    rate_limited: int = 0
    waits: int = 0
    waited_seconds: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0


@attrs.define(kw_only=True)
class Stats(Tally):
    """The counters of one client since it was made, and the same `by_operation` ("GET /api/v2/customers")."""

    by_operation: dict[str, Tally] = attrs.field(factory=dict)

    def of(self, operation: str) -> Tally:
        """The counters of one operation, made when they are first asked for."""
        found = self.by_operation.get(operation)
        if found is None:
            found = self.by_operation[operation] = Tally()
        return found
