"""One logical call as a value, and what is known of it while it runs."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ._policy.outcome import KEY_SECONDS, Ability, Key, ability
from ._wire.message import Request, Response
from .errors import GatewayClientError
from .settings import Retry, Timeouts
from .transport.base import Trace

__all__ = ["Call", "Lookup", "State"]


@attrs.frozen(kw_only=True)
class Lookup:
    """Where the outcome of a write in doubt can be read.

    `shows(answer, since)` says whether the answer shows the write, None where it cannot tell; `since` is the server's
    time before the first send, in Unix seconds, None where the server does not tell the time.
    """

    request: Request
    shows: Callable[[Response, float | None], bool | None]


@attrs.frozen(kw_only=True)
class Call:
    """One logical call: the request that every attempt sends, and what may be done with it.

    *writes* is False for what changes nothing, *keyed* says that Chargebee honours an idempotency key here, *proven*
    that the key is known to reach it, *named* is the id that the request gives the record it makes. *site* names the
    connection whose limit counts the call; None for the control plane, which has none. *first_sent* and *doubt* come
    from an earlier try of the same write.
    """

    request: Request
    writes: bool
    keyed: bool = False
    proven: bool = False
    named: str | None = attrs.field(default=None, repr=False)
    lookup: Lookup | None = None
    site: str | None = None
    control: bool = False
    retry: Retry
    timeouts: Timeouts
    idempotency_key: str | None = None
    rank: int = 0
    """Who goes first where calls wait for a limit: 0 before 1."""
    first_sent: float | None = None
    doubt: GatewayClientError | None = None


@attrs.define
class State:
    """What is known of a call so far. `sent` counts the attempts that reached the network, `doubt` is the failure after
    which a write may have happened. Times are monotonic."""

    began: float
    attempts: int = 0
    sent: int = 0
    first_sent: float | None = None
    last_sent: float | None = None
    last: GatewayClientError | None = None
    doubt: GatewayClientError | None = None
    trace: Trace = attrs.field(factory=Trace)

    def ability(self, call: Call, *, proven: bool, at: float) -> Ability:
        """What the call can bear if it is sent again at the time *at*."""
        return ability(
            writes=call.writes, key=self._key(call, proven, at), idempotent=call.keyed, named=call.named is not None
        )

    def _key(self, call: Call, proven: bool, at: float) -> Key:
        if call.idempotency_key is None:
            return "none"
        if self.first_sent is not None and at - self.first_sent >= KEY_SECONDS:
            return "expired"
        return "proven" if proven else "unproven"

    def until(self, call: Call) -> float:
        """The time after which nothing of the call is sent any more: its deadline, or the end of its key."""
        deadline = self.began + call.retry.deadline_seconds
        if call.writes and self.first_sent is not None:
            return min(deadline, self.first_sent + KEY_SECONDS)
        return deadline
