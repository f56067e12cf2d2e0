"""May this be sent again? One function, over what is known of the attempt that failed.

A read may. A write may when nothing of it left this machine, or when the server said that it did nothing (a rate limit,
a lock, a site that is read-only). A write in doubt may only be repeated under an idempotency key that is known to reach
Chargebee (`trusted`); otherwise its outcome is unknown, and the caller must be told so (RFC 9110 §9.2.2).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..errors import (
    ApiError,
    ChargebeeError,
    ConnectFailed,
    DecodeError,
    GatewayRateLimited,
    InvalidResponse,
    ResponseTooLarge,
    TransportError,
    UnexpectedRedirect,
)

__all__ = ["KEY_SECONDS", "Verdict", "settles", "verdict"]

Verdict: TypeAlias = Literal["resend", "final", "unknown"]

KEY_SECONDS = 25 * 60.0
"""How long after its first send a request may go out again under its key: Chargebee keeps keys for 30 minutes."""

_NOTHING_DONE = frozenset(("api_request_limit_exceeded", "lock_timeout", "site_read_only_mode", "site_not_ready"))


def verdict(error: Exception, *, safe: bool, trusted: bool) -> Verdict:
    """What to do about *error*: send again, raise it, or raise `OutcomeUnknown`. *safe* is True for reads."""
    if isinstance(error, TransportError):
        return _transport(error, safe=safe, trusted=trusted)
    if isinstance(error, ApiError):
        return _api(error, safe=safe, trusted=trusted)
    return "final"


def settles(error: Exception) -> bool:
    """Whether *error*, after an attempt in doubt and under the same trusted key, tells what became of the write.

    A refusal of Chargebee's does: under its key a write that had succeeded would have been answered with its success. A
    state that the write itself may have brought about (409, an id that exists), credentials, a rate limit, or no answer
    at all do not: they may have come before the key was looked at.
    """
    if not isinstance(error, ChargebeeError) or error.code is None:
        # A refusal of the gateway's never came as far as the key.
        return False
    return 400 <= error.status < 500 and error.status not in (401, 403, 409, 429) and error.code != "duplicate_entry"


def _transport(error: TransportError, *, safe: bool, trusted: bool) -> Verdict:
    if isinstance(error, ConnectFailed) or not error.sent:
        return "resend"
    if isinstance(error, UnexpectedRedirect):
        return "final"
    if isinstance(error, ResponseTooLarge) and safe:
        return "final"
    if isinstance(error, DecodeError) and safe and error.path != "$":
        # Well-formed, but not what was promised: it would be the same again.
        return "final"
    if isinstance(error, InvalidResponse) and error.status is not None and error.status >= 400 and safe:
        return "resend" if error.status >= 500 else "final"
    return _doubtful(safe=safe, trusted=trusted)


def _api(error: ApiError, *, safe: bool, trusted: bool) -> Verdict:
    if isinstance(error, GatewayRateLimited) or error.code in _NOTHING_DONE:
        return "resend"
    if error.status == 429 or error.status >= 500:
        return _doubtful(safe=safe, trusted=trusted)
    return "final"


def _doubtful(*, safe: bool, trusted: bool) -> Verdict:
    return "resend" if safe or trusted else "unknown"
