"""What became of a write in doubt: settled by reading, or told as `OutcomeUnknown`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ._call import Call, Lookup, Moment, Sight, State
from ._clock import Clock
from ._policy.outcome import KEY_SECONDS, effect
from ._wire.headers import server_time
from ._wire.message import Response
from .errors import ApiError, GatewayClientError, OutcomeUnknown, RequestError

__all__ = ["check_retry", "refuses", "seen", "unknown"]


def unknown(
    call: Call,
    state: State,
    live: tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]],
) -> OutcomeUnknown:
    """The error for a write that is in doubt and stays so; *live* are what its two methods do."""
    doubt = state.doubt
    first = _moment(state.first_sent)
    error = OutcomeUnknown(
        f"the outcome of this write is unknown ({type(doubt.error).__name__ if doubt else 'not sent again'})",
        operation=call.request.label,
        idempotency_key=call.idempotency_key,
        natural_id=call.named,
        attempts=state.sent,
        likely_done=doubt is not None and doubt.likely_done,
        first_sent_at=first,
        last_sent_at=_moment(state.last_sent),
        safe_until=first + timedelta(seconds=KEY_SECONDS) if first is not None and call.keyed else None,
    )
    error._live = live
    return error


def seen(lookup: Lookup, answer: Response | None, since: Moment | None, clock: Clock) -> Sight:
    """What the answer of a look shows of a write that was first sent at *since*."""
    told = None if answer is None else server_time(answer.headers)
    # One second for the server's rounding down of both of its times.
    before = None if told is None or since is None else told - since.elapsed(clock) - 1.0
    return lookup.shows(answer, before)


def refuses(call: Call, error: GatewayClientError) -> bool:
    """Whether *error*, where a look finds nothing of the write, says that there is nothing: a refusal, but not that of
    an id as taken by a record that the look does not find."""
    what = effect(error, "body") if isinstance(error, ApiError) else "maybe"
    return what == "refused" or (what == "exists" and call.named is None)


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


def _moment(at: Moment | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at.wall, UTC)
