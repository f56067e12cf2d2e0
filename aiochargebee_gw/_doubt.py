"""What became of a write in doubt: settled by reading, or told as `OutcomeUnknown`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ._call import Call, Lookup, State
from ._clock import Clock
from ._policy.outcome import KEY_SECONDS
from ._wire.headers import server_time
from ._wire.message import Response
from .errors import ApiError, GatewayClientError, InvalidResponse, OutcomeUnknown, RequestError

__all__ = ["answered", "check_retry", "shown", "unknown"]


def unknown(
    call: Call,
    state: State,
    clock: Clock,
    live: tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]],
) -> OutcomeUnknown:
    """The error for a write that is in doubt and stays so; *live* are what its two methods do."""
    doubt = state.doubt
    status = doubt.status if isinstance(doubt, InvalidResponse) else None
    first = _moment(clock, state.first_sent)
    error = OutcomeUnknown(
        f"the outcome of this write is unknown ({type(doubt).__name__})",
        operation=call.request.label,
        idempotency_key=call.idempotency_key,
        natural_id=call.named,
        attempts=state.sent,
        likely_done=status is not None and 200 <= status < 300,
        first_sent_at=first,
        last_sent_at=_moment(clock, state.last_sent),
        safe_until=first + timedelta(seconds=KEY_SECONDS) if first is not None and call.keyed else None,
    )
    error._live = live
    return error


def shown(lookup: Lookup, answer: Response, state: State, now: float) -> bool | None:
    """Whether the answer of a lookup shows the write, None where it cannot tell. *now* is the (monotonic) time of the
    answer."""
    told = server_time(answer.headers)
    # One second for the server's rounding down of both of its times.
    since = None if told is None or state.first_sent is None else told - (now - state.first_sent) - 1.0
    return lookup.shows(answer, since)


def answered(doubt: GatewayClientError) -> bool:
    """Whether the attempt in doubt is over at the server: one that broke off on the network may still be under way."""
    return isinstance(doubt, ApiError)


def check_retry(error: OutcomeUnknown, clock: Clock) -> None:
    """Raise `RequestError` unless the same request may go out again."""
    if error.safe_until is None:
        raise RequestError(
            "Chargebee takes no idempotency key here: look whether it happened, then make the call anew",
            field="idempotency_key",
            operation=error.operation,
        )
    if clock.wall() >= error.safe_until.timestamp():
        raise RequestError(
            "the idempotency key is too old: look whether it happened, then make the call anew",
            field="idempotency_key",
            operation=error.operation,
        )


def _moment(clock: Clock, at: float | None) -> datetime | None:
    if at is None:
        return None
    return datetime.fromtimestamp(clock.wall() - (clock.monotonic() - at), UTC)
