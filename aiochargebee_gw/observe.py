"""What a client can be watched by: frozen events, handed to an `Observer` one by one.

The events of one call carry the same number, `call`. They name the operation by its path template and never hold an API
key, a header, a query or a body; the idempotency key of a write in doubt is there for the program, not in the `repr`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

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
    """A call was made; `write` is True when it may change something.

    `origin` is where its requests go ("https://gateway.maton.ai"), without a path.
    """

    call: int
    operation: str
    write: bool
    origin: str


@attrs.frozen(kw_only=True)
class Waited:
    """A call has waited `seconds`; `reason` is "limit" (for our own rate) or "retry" (after a failure).

    Told when the wait is over, also when no send follows because it was broken off. Below a millisecond nothing is told
    or counted: that is the loop's own pace.
    """

    call: int
    operation: str
    seconds: float
    reason: Literal["limit", "retry"]


@attrs.frozen(kw_only=True)
class AttemptFinished:
    """One send ended after `seconds`: with an HTTP `status`, or with `error`, the name of an error class.

    `phase` says how far it came: "unsent", "connected", "sent", "headers" or "body" (see `transport.base`). The bytes
    are those of the bodies, the answer's as it came over the wire. `replayed` says that Chargebee answered from the
    request's idempotency key: nothing was done a second time.
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
    replayed: bool


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

    `status` is that of the last attempt, None when it got no answer. `outcome` is "unknown" for a write of which bytes
    may have left and whose end is not known, also when it was cancelled then; `idempotency_key` is what it was sent
    under.
    """

    call: int
    operation: str
    attempts: int
    seconds: float
    status: int | None
    error: str | None
    outcome: Outcome
    idempotency_key: str | None = attrs.field(default=None, repr=False)


Event: TypeAlias = CallStarted | Waited | AttemptFinished | Retried | Throttled | CallFinished


class Observer(Protocol):
    """Called on the event loop for every event, in the task that makes the call: it must return quickly.

    What it raises is logged and breaks no call.
    """

    def __call__(self, event: Event, /) -> None: ...


@attrs.define(kw_only=True)
class Tally:
    """Counters; `attempts` equals the number of requests that servers saw.

    `failed` calls raised an error, `unknown` are writes whose outcome nobody knows; neither is part of the other.
    `retries` counts the repeats that were decided on, `rate_limited` the answers 429. `waits` is how often,
    `waited_seconds` how long calls waited for the limits and between attempts. `sent_bytes` and `received_bytes` are
    those of bodies, the received ones as they came over the wire.
    """

    calls: int = 0
    failed: int = 0
    unknown: int = 0
    attempts: int = 0
    retries: int = 0
    rate_limited: int = 0
    waits: int = 0
    waited_seconds: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0


@attrs.define(kw_only=True)
class Stats(Tally):
    """The counters of one client since it was made, and the same `by_operation` ("GET /api/v2/customers").

    The operations' counters add up to the client's. Files that `Gateway.download` fetches from other hosts are no
    calls and are not counted.
    """

    by_operation: dict[str, Tally] = attrs.field(factory=dict)

    def of(self, operation: str) -> Tally:
        """The counters of one operation, made when they are first asked for."""
        found = self.by_operation.get(operation)
        if found is None:
            found = self.by_operation[operation] = Tally()
        return found

    def as_dict(self) -> dict[str, Any]:
        """The counters as they are now, as plain numbers by name: for a metrics endpoint or a line of JSON.

        `by_operation` maps each operation to a dict of its own.
        """
        return attrs.asdict(self)
